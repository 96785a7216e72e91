"""Aggregate reports of DMARC (RFC 7489, RFC 9990): what receivers saw of mail in the name of a domain."""
