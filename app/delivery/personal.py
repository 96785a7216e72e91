"""A mail, or a piece of one, as one recipient got it: for web views, and for link targets with merge tags in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from app.campaigns.personalisation import Person, fill, parse
from app.db import reading
from app.delivery.asking import sending_view
from app.delivery.compile import CompiledSending, compile_sending
from app.delivery.ledger import SENDINGS
from app.delivery.people import people_of, recipient_view
from app.delivery.posted import compiled_for, dressed, values_of
from app.delivery.routing import route
from app.delivery.streams import TRANSACTIONAL
from app.delivery.trips import Circumstances, trip_of, verified_domains
from app.mail.message import Kind
from app.mail.tokens import LedgerId
from app.plugins.calling import PluginFailed
from app.plugins.calls import has_batch_path, recipient_values

if TYPE_CHECKING:
    from app.house import House


@dataclass(frozen=True, slots=True)
class Personal:
    """One recipient's mail in words: what stands in the subject, the HTML and the plain text."""

    subject: str
    html: str
    plain: str


def personal_mail(house: House, ledger_id: LedgerId) -> Personal | None:
    """Return the mail as this recipient got it, its links and pixel included; None where there is no such recipient."""
    found = _find(house, ledger_id)
    if found is None:
        return None
    compiled, person = found
    mail = compiled.written
    return Personal(fill(mail.subject, person), "" if mail.html is None else fill(mail.html, person), fill(mail.plain, person))


def personal_text(house: House, ledger_id: LedgerId, text: str, *, kind: Kind) -> str | None:
    """Return the text with this recipient's values in its merge tags, each made safe for its place; None where there is no recipient."""
    found = _find(house, ledger_id)
    if found is None:
        return None
    compiled, person = found
    return fill(parse(text, kind=kind, names=compiled.trip.names, constants=compiled.trip.constants), person)


def _find(house: House, ledger_id: LedgerId) -> tuple[CompiledSending, Person] | None:
    settings, enabled = house.settings.load(), house.plugins.snapshot(house.engine)
    with reading(), house.engine.connect() as connection:
        sending = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == ledger_id.sending_id)).one_or_none()
        rows = people_of(connection, ledger_id.sending_id, [ledger_id.position])
        server = None if sending is None else route(connection, sending.user_id, sending.delivery_server_id, sending.campaign_id)
        if sending is None or server is None or not rows:
            return None
        verified = verified_domains(connection, sending.user_id)
    now = Circumstances(sending, server, settings, enabled, verified)
    rows = dressed(sending, rows)
    compiled = _compiled(house, now, rows[0])
    plugged = {rows[0].position: _plugged(now, rows[0]) if has_batch_path(enabled) else {}}
    if sending.kind == TRANSACTIONAL:
        plugged = values_of(rows, plugged)
    return compiled, next(compiled.people(rows, plugged))[1]


def _compiled(house: House, now: Circumstances, row: Any) -> CompiledSending:
    if now.sending.kind == TRANSACTIONAL:
        found: CompiledSending = compiled_for(house, now, [row])[now.variant(row)]
        return found
    return compile_sending(trip_of(house, now, now.variant(row)), house.tokens)


def _plugged(now: Circumstances, row: Any) -> dict[str, str]:
    """Return plug-ins' values for one recipient; where a plug-in fails, its places stay empty rather than the page."""
    try:
        return recipient_values(now.enabled, sending_view(now.sending), [recipient_view(row)]).get(row.position, {})
    except PluginFailed:
        return {}
