"""Mail that is fetched by POP3 and IMAP: into the spool first, and only then out of the mailbox."""
