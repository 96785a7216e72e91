"""The built-in test mailbox: an SMTP listener on this machine alone, and what arrived there."""
