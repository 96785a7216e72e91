"""A post that came to a webhook: recognised, checked whole, written in one transaction, and only then answered with 200.

Each item becomes a row of ``inbound_mails``, as a mail does, so that it is kept, read, matched, acted on and shown like one. Its digest makes
a repetition harmless: of the webhook, the item, and what tells two like items apart (its id, else the signed time, else SNS's message id).
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from app.db import reading, table_of, utcnow
from app.delivery.again import write_again
from app.egress import EgressRefused, fetch
from app.inbound.take_in import keep
from app.inbound.webhooks import ses, signing, sns
from app.inbound.webhooks.certificates import Certificates
from app.inbound.webhooks.items import parsed, read_items
from app.inbound.webhooks.models import InboundWebhook
from app.inbound.webhooks.refused import Refused
from app.words import words

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

WEBHOOKS: sa.Table = table_of(InboundWebhook)
LARGEST = 256 * 1024
GENERIC, SES = "generic", "ses"
_CERTIFICATES = Certificates()
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Post:
    """What was posted. ``headers``: their names in small letters; ``client``: the address it came from."""

    headers: Mapping[str, str]
    body: bytes
    client: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a post: how many items it had that are for us, and the numbers of those that are new."""

    items: int
    ids: tuple[int, ...]


def find(engine: Engine, public_id: str) -> Any:
    """Return the webhook of an address, None where there is none."""
    with reading(), engine.connect() as connection:
        return connection.execute(sa.select(WEBHOOKS).where(WEBHOOKS.c.public_id == public_id)).one_or_none()


def take(house: House, webhook: Any, post: Post, ring: Callable[[House, Sequence[int]], None]) -> Taken:
    """Take a post and return what it was; raise Refused. ``ring``: rings for the reading of the new ones, after the commit."""
    try:
        rows = _rows(house, webhook, post)
    except Refused as refused:
        log.warning("a post to a webhook is refused", extra={"webhook": webhook.id, "why": refused.said})
        _note_problem(house.engine, webhook, refused.said)
        raise
    ids = _write(house.engine, webhook, rows)
    ring(house, ids)
    return Taken(len(rows), tuple(ids))


def _rows(house: House, webhook: Any, post: Post) -> list[tuple[Row, bytes]]:
    if not webhook.enabled:
        raise Refused(403, words("This webhook is switched off."))
    if webhook.kind == SES:
        return _of_sns(webhook, post)
    moment = signing.check_signature(house.secrets.open(webhook.secret_sealed), post.headers.get(signing.TIMESTAMP.lower(), ""),
                                     post.headers.get(signing.SIGNATURE.lower(), ""), post.body, time.time())
    return [_row(webhook, post, "webhook", item, item.get("id") or str(moment), [item["recipient"]], item.get("return_path", ""))
            for item in read_items(post.body)]


def _of_sns(webhook: Any, post: Post) -> list[tuple[Row, bytes]]:
    message = sns.read_message(parsed(post.body), webhook.topic_arn)
    sns.check_signature(message, _CERTIFICATES.key_at(message["SigningCertURL"]))
    if message.type == sns.CONFIRMATION:
        _confirm(message)
    if message.type == sns.GOODBYE:
        raise Refused(410, words("Amazon SNS ended the subscription of this webhook. Subscribe it again."))
    item = _notification(message["Message"]) if message.type == sns.NOTIFICATION else None
    if item is None:
        return []
    return [_row(webhook, post, "ses", item, message["MessageId"], ses.recipients_of(item), str(item["mail"].get("source") or ""))]


def _notification(text: str) -> dict[str, Any] | None:
    """Return what SES says, None where it is nothing that we keep: a greeting when a topic is chosen, an open, a click."""
    try:
        item = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return item if ses.is_known(item) else None


def _confirm(message: sns.SnsMessage) -> None:
    """Visit the address that begins the subscription: one of SNS, in a message that SNS signed, for the topic that somebody typed here."""
    url = message["SubscribeURL"]
    if not sns.is_subscription(url, message["TopicArn"]):
        raise Refused(403, words("The address that confirms the subscription is not at Amazon SNS: %(url)s", url=url[:120]))
    try:
        answer = fetch(url, max_bytes=64 * 1024, timeout=10, most_redirects=0)
    except EgressRefused as error:
        raise Refused(503, words("The subscription could not be confirmed: %(why)s", why=error.args[0])) from error
    if answer.status != 200:
        raise Refused(503, words("The subscription could not be confirmed: Amazon SNS answers %(status)s.", status=str(answer.status)))


def _row(webhook: Any, post: Post, way: str, item: Mapping[str, Any], apart: str, recipients: Sequence[str], mfrom: str) -> tuple[Row, bytes]:
    body = json.dumps(item, sort_keys=True, separators=(",", ":")).encode()
    # An item with an id of its own is one event, whatever else is said of it later.
    of_item = b"" if item.get("id") and way == "webhook" else body
    digest = hashlib.sha256(b"\0".join((b"webhook %d" % webhook.id, apart.encode("utf-8", "replace"), of_item))).hexdigest()
    named = [one.encode("utf-8", "replace").decode()[:320] for one in recipients[:100]]
    return {"digest": digest, "way": way, "mfrom": mfrom.encode("utf-8", "replace").decode()[:320], "recipients": named, "client": post.client[:64],
            "helo": "", "arrived_at": utcnow()}, body


def _write(engine: Engine, webhook: Any, rows: Sequence[tuple[Row, bytes]]) -> list[int]:
    def work(connection: Connection) -> list[int]:
        connection.execute(sa.update(WEBHOOKS).where(WEBHOOKS.c.id == webhook.id).values(last_at=utcnow(), last_problem=""))
        return keep(connection, rows)

    try:
        return write_again(engine, work)
    except IntegrityError:
        # The same post at the same moment: what the other one wrote is there now.
        return write_again(engine, work)


def _note_problem(engine: Engine, webhook: Any, said: str) -> None:
    """Keep the last problem for the page; the same one again writes nothing."""
    if webhook.last_problem != str(said)[:300]:
        write_again(engine, lambda connection: connection.execute(
            sa.update(WEBHOOKS).where(WEBHOOKS.c.id == webhook.id).values(last_problem=str(said)[:300])))
