"""Taking a transactional mail: checked, written down once however often it is asked for, and rung for.

The same key with the same request gets the same answer, from whichever process and however long afterwards: the answer is read from what is
written (draft-ietf-httpapi-idempotency-key-header). Nothing is written for a request that is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.campaigns.transactional import MailRequest, read_request
from app.db import reading, utcnow
from app.delivery import streams
from app.delivery.again import write_again
from app.delivery.content import links_of
from app.delivery.ledger import State
from app.delivery.posted import compile_mail, row_values
from app.delivery.routing import route
from app.delivery.streams import NewStream, OtherRequest, Overdrawn, Posted, find_by_key
from app.delivery.trips import Circumstances, sender_of, verified_domains
from app.house import House
from app.jobs import SEND_TRANSACTIONAL
from app.mail.headers import HeaderError
from app.settings.sections.system import SystemSettings
from app.words import words

LARGEST_MAIL = 10 * 1024 * 1024
# In front of the keys that are made here: nobody can send such a letter in a key.
_OWN = "·"


class Refused(Exception):
    """A request that is not taken; ``errors`` has a sentence for each member."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class PostedMail:
    """One recipient's mail, as the answer names it."""

    id: str
    position: int
    email: str
    message_id: str


def post(house: House, user: User, body: object, key: str | None) -> list[PostedMail]:
    """Take a request of this account; return its mails. Raise Refused for whatever keeps it from being taken.

    ``key``: of at most 128 printable characters, makes a repetition harmless; without one each request is a mail.
    """
    request, errors = read_request(body)
    if request is None:
        raise Refused(errors)
    try:
        posted = _known(house, user, request, key) or _write(house, user, request, key)
    except OtherRequest as error:
        raise Refused({"Idempotency-Key": words("This key came with another request before. Take a new key for a new request.")}) from error
    except Overdrawn as error:
        raise Refused({"to": words("The account may send %(most)s mails in 30 days; %(left)s are left.", most=error.most, left=error.left)}) from error
    house.jobs.ring(SEND_TRANSACTIONAL, sending=posted.sending_id)
    return [_mail(house, posted, number, one.email) for number, one in enumerate(request.to)]


def _mail(house: House, posted: Posted, number: int, email: str) -> PostedMail:
    position = posted.first + number
    return PostedMail(id_of(posted.sending_id, position), position, email, message_id(house, posted.sending_id, position, posted.message_id_domain))


def id_of(sending_id: int, position: int) -> str:
    """Return how programs name a mail."""
    return f"{sending_id}-{position}"


def message_id(house: House, sending_id: int, position: int, domain: str) -> str:
    """Return the mail's Message-ID as its header has it."""
    return f"<{house.tokens.make('message_id', sending_id, position)}@{domain}>"


def _known(house: House, user: User, request: MailRequest, key: str | None) -> Posted | None:
    if key is None:
        return None
    with reading(), house.engine.connect() as connection:
        return find_by_key(connection, user.id, key, request.hash)


def _write(house: House, user: User, request: MailRequest, key: str | None) -> Posted:
    content, number = content_of(user, request), token_hex(16)
    new = _checked(house, user, request, content)
    mail = {"key": _OWN + number if key is None else key, "request_hash": request.hash, "content": content, "created_at": utcnow()}
    rows = [{"dedupe_key": f"{number}:{place}", "email": one.email, "state": State.PENDING, "reason": "",
             "snapshot": {"name": one.name, "values": dict(one.values)}} for place, one in enumerate(request.to)]
    most = user.group.limits.get("mails_per_month")

    def work(connection: Connection) -> Posted:
        return streams.append(connection, new, rows, mail, most)

    try:
        return write_again(house.engine, work)
    except sa.exc.IntegrityError:
        # The same key at the same moment, on the two sides of midnight: what the other wrote is the answer to both.
        if (known := _known(house, user, request, key)) is None:
            raise
        return known


def content_of(user: User, request: MailRequest) -> dict[str, Any]:
    """Return what a request's mails say, in the form of a sending's content."""
    content: dict[str, Any] = {name: getattr(request, name) for name in (
        "from_name", "from_email", "reply_to", "subject", "html", "plain", "track_opens", "track_links", "tag")}
    named = {name.lower() for name, _ in request.headers}
    # RFC 3834: a mail that a program wrote says so, and out-of-office answers stay away.
    own = [] if "auto-submitted" in named else [("Auto-Submitted", "auto-generated")]
    return content | {
        "headers": [*request.headers, *own], "values": request.value_names, "count": len(request.to), "preheader": "", "campaign_name": request.tag,
        "fields": [], "lists": {}, "links": [{"number": link.number, "url": link.url, "label": link.label} for link in links_of(content)],
        "user": {"first_name": user.first_name, "last_name": user.last_name, "email": user.email, "company": user.company}}


def _checked(house: House, user: User, request: MailRequest, content: dict[str, Any]) -> NewStream:
    """Write the first mail to see that it can be written; return what a new day's stream would need. Without a server the mail waits for one."""
    settings, enabled = house.settings.load(), house.plugins.snapshot(house.engine)
    with reading(), house.engine.connect() as connection:
        server, verified = route(connection, user.id), verified_domains(connection, user.id)
    if server is None:
        raise Refused({"from": words("No delivery server is enabled for this account. Ask an administrator.")})
    sending = SimpleNamespace(id=0, kind=streams.TRANSACTIONAL, user_id=user.id, campaign_id=None, message_id_domain="", content=content)
    now = Circumstances(sending, server, settings, enabled, verified)
    domain = sender_of(house, now).mfrom_domain
    _try_to_write(house, now, request, content)
    return NewStream(user.id, domain, settings.get(SystemSettings).in_doubt_policy)


def _try_to_write(house: House, now: Circumstances, request: MailRequest, content: dict[str, Any]) -> None:
    one = request.to[0]
    row = SimpleNamespace(position=0, email=one.email, subscriber_id=None, list_id=None, snapshot={"name": one.name, "values": one.values})
    try:
        compiled = compile_mail(house, now, content)
        row_with_values = next(compiled.people([row], {0: row_values(row.snapshot)}))
        size = len(compiled.render(*row_with_values).data)
    except (HeaderError, UnicodeError) as error:
        raise Refused({"body": words("The mail cannot be written: %(why)s", why=str(error))}) from error
    if size > LARGEST_MAIL:
        raise Refused({"html": words("The mail has %(size)s KB; at most %(most)s are taken.", size=size // 1024, most=LARGEST_MAIL // 1024)})
