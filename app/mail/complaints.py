"""The address for complaints that stands in mail, whose domain may be that of each mail's sender."""

from __future__ import annotations

from app.mail.address import parse_address

SENDER_DOMAIN = "%sender_domain%"


def complaints_address(typed: str, sender_domain: str) -> str:
    """Return the address as it stands in a mail from ``sender_domain``; raise AddressError where the text makes none."""
    return str(parse_address(typed.replace(SENDER_DOMAIN, sender_domain)))
