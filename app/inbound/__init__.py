"""What comes back: bounces, complaints, replies and unsubscribe mails."""
