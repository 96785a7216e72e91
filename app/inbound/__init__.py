"""Mail that comes to us: taken in by SMTP, LMTP or a pipe, kept in a spool, read, matched and acted on."""
