"""The values of a slice's mails, column by column: one pass over the rows for each place that a mail has, none for what it has not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.campaigns.personalisation import Person, reader_of
from app.delivery.people import person_of
from app.delivery.road import Trip
from app.mail.tokens import Purpose, TokenKeys

Column = Sequence[str]

# The place that a token stands in, and the token's purpose.
TOKENS: Mapping[str, Purpose] = {
    "@open": "open", "@click": "click", "@message_id": "message_id", "@mfrom": "mfrom", "@unsubscribe": "unsubscribe", "@webview": "webview"}
# The envelope always has one; the others are where a mail's places say so, some behind a merge tag.
_OF_ENVELOPE = "@mfrom"
_BEHIND = {"Link:Unsubscribe": "@unsubscribe", "Link:WebBrowser": "@webview"}
_OF_ROW = {"Subscriber:FirstName": "first_name", "Subscriber:LastName": "last_name", "@to": "email", "Subscriber:EmailAddress": "email"}


class Columns:
    """Makes the columns of one slice. ``slots``: the places of the mail; ``is_plain``: neither a plug-in nor a snapshot says anything."""

    def __init__(self, trip: Trip, tokens: TokenKeys, rows: Sequence[Any], date: str, people: Callable[[], Iterator[tuple[Any, Person]]],
                 slots: Iterable[str], *, is_plain: bool) -> None:
        self._trip, self._tokens, self._rows, self._date = trip, tokens, rows, date
        self._people, self._is_plain = people, is_plain
        named = [slot.partition("|")[0] for slot in slots]
        self._places = sorted({_OF_ENVELOPE} | {_BEHIND.get(name, name) for name in named} & set(TOKENS))
        self._known: dict[str, Column] = {}
        self._persons: list[Person] | None = None

    def of(self, slot_name: str) -> Column:
        """Return the values of one slot, in the order of the rows."""
        name, _, stand_in = slot_name.partition("|")
        column = self._known.get(name)
        if column is None:
            column = self._known[name] = self._made(name)
        return [value or stand_in for value in column] if stand_in else column

    def _made(self, name: str) -> Column:
        rows = self._rows
        if name in TOKENS:
            self._write_tokens()
            return self._known[name]
        if name == "@date":
            return [self._date] * len(rows)
        if name == "Link:Unsubscribe":
            return [self._trip.urls.unsubscribe(token) for token in self.of("@unsubscribe")]
        if name == "Link:WebBrowser":
            return [self._trip.urls.web_view(token) for token in self.of("@webview")]
        if self._is_plain and (attribute := _OF_ROW.get(name)) is not None:
            return [getattr(row, attribute) or "" for row in rows]
        return self._read(name)

    def _write_tokens(self) -> None:
        """All kinds that the mail has, at once: what the tokens of a recipient have in common is written once."""
        positions = [row.position for row in self._rows]
        made = self._tokens.make_all([TOKENS[name] for name in self._places], self._trip.sending_id, positions)
        self._known.update(zip(self._places, made, strict=True))

    def _read(self, name: str) -> Column:
        """Ask each person, as for a single mail; what only one list has is the list's."""
        if name in self._of_lists:
            return [self._trip.of_list(row.list_id).get(name, "") for row in self._rows]
        if self._persons is None:
            self._persons = [person for _, person in self._people()]
        read = reader_of(name)
        return [read(person) for person in self._persons]

    @property
    def _of_lists(self) -> frozenset[str]:
        return frozenset(name for values in self._trip.lists.values() for name in values)


def person(trip: Trip, row: Any, more: dict[str, str], plugged: Mapping[str, str], hashed: str) -> Person:
    """Return one recipient with every value that a mail may show: tokens (``more``), links, the list's, and plug-ins'."""
    more["Link:Unsubscribe"] = trip.urls.unsubscribe(more["@unsubscribe"])
    more["Link:WebBrowser"] = trip.urls.web_view(more["@webview"])
    more["Subscriber:HashedSubscriberID"] = hashed
    more.update(trip.of_list(row.list_id))
    return person_of(row, {**more, **plugged})
