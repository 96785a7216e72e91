"""Looking for the DKIM records of delivery servers in DNS, so that the checklist turns green by what was seen."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable

import dns.exception
import dns.resolver
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import reading, table_of, utcnow, writing
from app.delivery.models import DeliveryServer
from app.mail.dkim import public_record
from app.settings.secrets import SecretBox

log = logging.getLogger(__name__)

PATIENCE_S = 3.0
SERVERS = table_of(DeliveryServer)
LookUp = Callable[[str], list[str]]
# The TXT records of a name; None where DNS did not answer, so that nothing is known.
Answer = list[str] | None
LookUpAnswer = Callable[[str], Answer]


def txt_answer(name: str) -> Answer:
    """Return the TXT records of a name; None where DNS does not answer in time."""
    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=PATIENCE_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException:
        return None
    return [b"".join(record.strings).decode("ascii", "replace") for record in answer]


def txt_records(name: str) -> list[str]:
    """Return the TXT records of a name; none where there are none, or where DNS does not answer in time."""
    return txt_answer(name) or []


def key_of(record: str) -> bytes:
    """Return the key that a DKIM record publishes, empty where it publishes none (RFC 6376 3.6.1)."""
    tags = dict(part.strip().split("=", 1) for part in record.split(";") if "=" in part)
    try:
        return base64.b64decode("".join(tags.get("p", "").split()))
    except ValueError:
        return b""


def is_published(wanted: str, found: list[str]) -> bool:
    """Whether one of the records publishes our key; how it is written does not matter."""
    return any(key_of(record) == key_of(wanted) != b"" for record in found)


def look_for_records(engine: Engine, secrets: SecretBox, look_up: LookUp = txt_records) -> None:
    """Look for the record of each server that signs; keep when it was seen first, and forget that when it is gone."""
    with reading(), engine.connect() as connection:
        servers = connection.execute(sa.select(SERVERS).where(SERVERS.c.dkim_key_sealed != "", SERVERS.c.dkim_domain != "")).all()
    for server in servers:
        name = f"{server.dkim_selector}._domainkey.{server.dkim_domain}"
        seen = is_published(public_record(secrets.open(server.dkim_key_sealed)), look_up(name))
        if seen != (server.dns_seen_at is not None):
            log.info("a DKIM record came or went", extra={"record": name, "seen": seen})
            with writing(engine) as connection:
                connection.execute(sa.update(SERVERS).where(SERVERS.c.id == server.id).values(dns_seen_at=utcnow() if seen else None))
