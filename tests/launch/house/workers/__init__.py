"""Stand-in workers."""
