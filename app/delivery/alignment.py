"""Whether a campaign's mail would align for DMARC (RFC 7489 3.1): its return path or its signature belongs to the From address's domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from app.campaigns.models import Campaign
from app.delivery.routing import candidates
from app.delivery.sender import ListSender, Sender, domain_of, resolve_sender
from app.delivery.sender_domains import organisational
from app.delivery.trips import Verified, ground_of, verified_domains

if TYPE_CHECKING:
    from app.house import House


@dataclass(frozen=True, slots=True)
class Misaligned:
    """Mail that does not align: through which servers, with whose From address, the return path's domain, the signature's ("" for none)."""

    servers: tuple[str, ...]
    from_domain: str
    mfrom_domain: str
    signed_by: str


def misaligned(house: House, session: Session, campaign: Campaign) -> list[Misaligned]:
    """Return what of the campaign's mail does not align, servers that differ in nothing together; what stays in the test mailbox needs not."""
    settings, connection = house.settings.load(), session.connection()
    verified = verified_domains(connection, campaign.user_id)
    content = {"from_name": "", "from_email": campaign.from_email, "reply_to": campaign.reply_to}
    ground = ground_of(house, settings)
    servers = [candidate.server for candidate in candidates(connection, campaign.user_id, None, campaign.id) if not candidate.server.is_test_mailbox]
    found = [_look(server, resolve_sender(server, content, named, verified.domains, ground), verified)
             for server in servers for named in _list_senders(server, campaign)]
    alike: dict[tuple[str, str, str], dict[str, None]] = {}
    for one in found:
        if one is not None:
            alike.setdefault((one.from_domain, one.mfrom_domain, one.signed_by), {}).update(dict.fromkeys(one.servers))
    return [Misaligned(tuple(names), *what) for what, names in alike.items()]


def _list_senders(server: Any, campaign: Campaign) -> Iterator[ListSender]:
    if not (server.list_sender_as_from or server.list_sender_as_mfrom) or not campaign.lists:
        yield ListSender()
        return
    yield from (ListSender(found.sender_name, found.sender_email) for found in campaign.lists)


def _look(server: Any, sender: Sender, verified: Verified) -> Misaligned | None:
    from_domain = domain_of(sender.from_email)
    key = verified.key_for(from_domain)
    signed_by = key.domain if key else server.dkim_domain if server.dkim_key_sealed and server.dkim_selector else ""
    if not from_domain or any(organisational(other) == organisational(from_domain) for other in (sender.mfrom_domain, signed_by) if other):
        return None
    return Misaligned((server.name,), from_domain, sender.mfrom_domain, signed_by)
