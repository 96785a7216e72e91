"""From frozen content to something that renders a recipient's mail by joining strings.

The road is walked once over the content, the result is compiled, and each place for a value gets the function that reads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.campaigns.personalisation import Person, hashed_id, reader_of
from app.delivery.content import split_texts
from app.delivery.people import person_of
from app.delivery.road import Mail, Stop, Trip, travel
from app.delivery.steps import ADDRESSING, WRITING
from app.mail.dkim import DkimSigner
from app.mail.headers import date_text
from app.mail.message import CompiledMessage, compile_message
from app.mail.mfrom import mfrom_address
from app.mail.tokens import Purpose, TokenKeys

# The place that a token stands in, and the token's purpose.
_TOKENS: tuple[tuple[str, Purpose], ...] = (
    ("@open", "open"), ("@click", "click"), ("@message_id", "message_id"), ("@mfrom", "mfrom"), ("@unsubscribe", "unsubscribe"),
    ("@webview", "webview"))


@dataclass(frozen=True, slots=True)
class Rendered:
    """One finished mail and its envelope. ``envid``: the token that a report about it brings back."""

    position: int
    mfrom: str
    rcpt_to: str
    data: bytes
    envid: str = ""


@dataclass(frozen=True, slots=True)
class CompiledSending:
    """A sending that wants only its recipients. ``written``: the mail before its headers, for plug-ins that look at single mails."""

    trip: Trip
    written: Mail
    addressed: Mail
    message: CompiledMessage
    readers: tuple[Callable[[Person], str], ...]
    tokens: TokenKeys
    signer: DkimSigner | None

    @property
    def shows_hash(self) -> bool:
        """Whether the mail shows subscribers' hashed numbers, which cost more than a glance each."""
        return any(name.startswith("Subscriber:HashedSubscriberID") for name in self.message.slots)

    def people(self, rows: Sequence[Any], plugged: Mapping[int, Mapping[str, str]]) -> Iterator[tuple[Any, Person]]:
        """Yield each row with its values: tokens, links, its list, and what plug-ins know (``plugged``, by position)."""
        made = [self.tokens.make_many(purpose, self.trip.sending_id, [row.position for row in rows]) for _, purpose in _TOKENS]
        names = [name for name, _ in _TOKENS]
        date, shows_hash = date_text(time.time()), self.shows_hash
        for row, *tokens in zip(rows, *made, strict=True):
            more = dict(zip(names, tokens, strict=True))
            more["@date"], more["@to"] = date, row.email
            self._add_addresses(more, row, shows_hash)
            yield row, person_of(row, more | dict(plugged.get(row.position, {})))

    def _add_addresses(self, more: dict[str, str], row: Any, shows_hash: bool) -> None:
        trip = self.trip
        leave = trip.urls.unsubscribe(more["@unsubscribe"])
        more["Link:Unsubscribe"] = leave
        more["Link:WebBrowser"] = trip.urls.web_view(more["@webview"])
        more["@list_unsubscribe"] = f"<mailto:u+{more['@unsubscribe']}@{self.addressed.mfrom_domain}?subject=unsubscribe>, <{leave}>"
        more["Subscriber:HashedSubscriberID"] = hashed_id(trip.id_key, "subscriber", row.subscriber_id) if shows_hash else ""
        more.update(trip.of_list(row.list_id))

    def render(self, row: Any, person: Person) -> Rendered:
        """Return one recipient's mail, signed; raise HeaderError or UnicodeError for values that cannot be written."""
        return self.finish(row, person, self.message.render([read(person) for read in self.readers]))

    def finish(self, row: Any, person: Person, data: bytes) -> Rendered:
        """Sign a rendered mail and give it its envelope."""
        if self.signer is not None:
            data = self.signer.sign(data, int(time.time()))
        mfrom = self.addressed.mfrom_fixed or mfrom_address(person.more["@mfrom"], self.addressed.mfrom_domain)
        return Rendered(row.position, mfrom, row.email, data, person.more["@mfrom"])


def compile_sending(trip: Trip, tokens: TokenKeys, signer: DkimSigner | None = None) -> CompiledSending:
    """Walk the road and compile what comes out; raise HeaderError for content that makes no message."""
    written = walk(blank_mail(trip.content), trip, WRITING)
    addressed = walk(written, trip, ADDRESSING)
    message = compile_message(addressed.draft())
    readers = tuple(reader_of(name) for name in message.slots)
    return CompiledSending(trip, written, addressed, message, readers, tokens, signer)


def blank_mail(content: Mapping[str, Any]) -> Mail:
    """Return the content as it sets out on the road."""
    html, plain = split_texts(content)
    further = tuple((name, value) for name, value in content.get("headers", ()))
    return Mail(subject=(content["subject"],), html=html if content["html"].strip() else None, plain=plain, further=further)


def walk(mail: Mail, trip: Trip, steps: Sequence[Any]) -> Mail:
    """Take the mail along; the steps that are walked at compile time stop nobody."""
    result = travel(mail, trip, steps)
    if isinstance(result, Stop):
        raise TypeError(f"a step of the compiled road stopped: {result.words}")
    return result
