"""From frozen content to something that renders a recipient's mail by joining strings.

The road is walked once over the content, the result is compiled, and each place for a value gets the function that reads it.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.campaigns.personalisation import OF_LINKS, Person, hashed_id, reader_of
from app.delivery.columns import TOKENS, Columns, person
from app.delivery.content import split_texts
from app.delivery.people import SLIM_NAMES
from app.delivery.road import Html, Mail, Stop, Trip, travel
from app.delivery.seeds import with_mark
from app.delivery.steps import ADDRESSING, WRITING
from app.delivery.transports.wire import WireMessage
from app.mail.dkim import DkimSigner
from app.mail.headers import HeaderError, date_text
from app.mail.message import CompiledMessage, Slot, compile_message
from app.mail.mfrom import mfrom_address
from app.mail.tokens import TokenKeys

# While the values of so many mails are made ready, the connections stand still: long enough to pay, too short to be felt.
AT_ONCE = 100


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

    @property
    def is_slim(self) -> bool:
        """Whether the mail shows nothing of a person but the name and the address."""
        return all(name.startswith(("@", "List:")) or name.partition("|")[0] in SLIM_NAMES | OF_LINKS
                   for name in self.message.slots)

    def people(self, rows: Sequence[Any], plugged: Mapping[int, Mapping[str, str]]) -> Iterator[tuple[Any, Person]]:
        """Yield each row with its values: tokens, links, its list, and what plug-ins know (``plugged``, by position)."""
        positions, sending_id = [row.position for row in rows], self.trip.sending_id
        made = self.tokens.make_all(tuple(TOKENS.values()), sending_id, positions)
        date, shows_hash = date_text(int(time.time())), self.shows_hash
        for row, *tokens in zip(rows, *made, strict=True):
            more = dict(zip(TOKENS, tokens, strict=True)) | {"@date": date, "@to": row.email}
            hashed = hashed_id(self.trip.id_key, "subscriber", row.subscriber_id) if shows_hash else ""
            yield row, person(self.trip, row, more, plugged.get(row.position, {}), hashed)

    def render_many(self, rows: Sequence[Any], plugged: Mapping[int, Mapping[str, str]],
                    deadline: float | None = None) -> Iterator[tuple[Any, WireMessage | Exception]]:
        """Yield each row with its mail, signed, as they are asked for; with the error where its values cannot be written."""
        for start in range(0, len(rows), AT_ONCE):
            yield from self._render_some(rows[start:start + AT_ONCE], plugged, deadline)

    def _render_some(self, rows: Sequence[Any], plugged: Mapping[int, Mapping[str, str]],
                     deadline: float | None) -> Iterator[tuple[Any, WireMessage | Exception]]:
        is_plain = not plugged and all(row.snapshot is None for row in rows)
        columns = Columns(self.trip, self.tokens, rows, date_text(int(time.time())), lambda: self.people(rows, plugged),
                          self.message.slots, is_plain=is_plain)
        tokens, fixed, domain = columns.of("@mfrom"), self.addressed.mfrom_fixed, self.addressed.mfrom_domain
        message, safe = self._safe(len(rows), [columns.of(name) for name in self.message.slots])
        signer, is_bare = self.signer, is_plain and self.signer is None
        for row, of_row, token in zip(rows, safe, tokens, strict=True):
            try:
                data = message(of_row)
                if not is_bare:
                    data = with_mark(row, data)
                    data = data if signer is None else signer.sign(data, int(time.time()))
                yield row, WireMessage(row.position, fixed or mfrom_address(token, domain), row.email, data, deadline, token, True)
            except (HeaderError, UnicodeError) as error:
                yield row, error

    def _safe(self, number: int, columns: Sequence[Sequence[str]]) -> tuple[Callable[[Sequence[str]], bytes], Iterable[Sequence[str]]]:
        """Return what makes a message, and what it makes it of for each recipient; one by one where somebody's values cannot be written."""
        rows: Sequence[Sequence[str]] = list(zip(*columns, strict=True)) or [()] * number
        try:
            return self.message.join, self.message.safe(columns, rows)
        except (HeaderError, UnicodeError):
            return self.message.render, rows

    def render(self, row: Any, person: Person) -> WireMessage:
        """Return one recipient's mail, signed; raise HeaderError or UnicodeError for values that cannot be written."""
        return self.finish(row, person, self.message.render([read(person) for read in self.readers]))

    def finish(self, row: Any, person: Person, data: bytes) -> WireMessage:
        """Sign a rendered mail and give it its envelope."""
        data = with_mark(row, data)
        if self.signer is not None:
            data = self.signer.sign(data, int(time.time()))
        mfrom = self.addressed.mfrom_fixed or mfrom_address(person.more["@mfrom"], self.addressed.mfrom_domain)
        return WireMessage(row.position, mfrom, row.email, data, envid=person.more["@mfrom"], is_clean=True)


def compile_sending(trip: Trip, tokens: TokenKeys, signer: DkimSigner | None = None) -> CompiledSending:
    """Walk the road and compile what comes out; raise HeaderError for content that makes no message."""
    written = walk(blank_mail(trip.content), trip, WRITING)
    addressed = walk(written, trip, ADDRESSING)
    message = compile_message(_with_ready_links(addressed, trip).draft())
    readers = tuple(reader_of(name) for name in message.slots)
    return CompiledSending(trip, written, addressed, message, readers, tokens, signer)


def _with_ready_links(mail: Mail, trip: Trip) -> Mail:
    """Write the addresses of ours that authors put in as tags out, but for their token: nothing in them is to be made safe for each."""
    def written(pieces: Html) -> Iterator[Any]:
        for piece in pieces:
            build = links.get(piece.name.partition("|")[0]) if isinstance(piece, Slot) else None
            yield from (piece,) if build is None else (html.escape(part) if piece.kind == "html" and isinstance(part, str) else part for part in build())

    links = {"Link:Unsubscribe": trip.urls.leave, "Link:WebBrowser": trip.urls.view}
    return replace(mail, html=None if mail.html is None else tuple(written(mail.html)), plain=tuple(written(mail.plain)))


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
