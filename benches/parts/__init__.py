"""What benchmarks are made of: receivers, senders, databases, and what is sent."""
