"""What comes back: bounces, complaints, replies, unsubscribe mails. Taken in by SMTP, LMTP or a pipe, kept in a spool, read, matched and acted on."""
