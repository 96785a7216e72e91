"""How many are on several lists of a sending and get one mail: known by the freeze only, so it is counted there, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.audience.models import Subscriber

SUBSCRIBERS: sa.Table = Subscriber.__table__  # type: ignore[assignment]
AT_ONCE = 1000


def first_doubles(connection: Connection, sending: Any, doubles: Sequence[Any], is_held: Callable[[Any], bool]) -> int:
    """Return how many of these people, who may be mailed and have their mail by another list (``known_list``), were not counted before.

    ``is_held`` says of a subscriber whether the freeze left them out. On the second list nobody was counted before, so nothing is
    read. On a later one those were who may be mailed by a list between. Who leaves that one while the freeze goes on counts twice.
    """
    # Those who may be mailed come in the first walk, whose number is the list's place.
    before = sending.list_ids[:sending.freeze_list]
    if len(before) < 2 or not doubles:
        return len(doubles)
    by = {person.dedupe_key: person.known_list for person in doubles}
    counted = {one.dedupe_key for one in _entries(connection, before, list(by)) if one.list_id != by[one.dedupe_key] and not is_held(one)}
    return len(by) - len(counted)


def _entries(connection: Connection, list_ids: Sequence[int], keys: Sequence[str]) -> Iterator[Any]:
    """Yield what the freeze has asked before about these addresses on these lists."""
    person = SUBSCRIBERS.c
    for start in range(0, len(keys), AT_ONCE):
        yield from connection.execute(
            sa.select(person.list_id, person.dedupe_key, person.bounce_state, person.state.label("walk"))
            .where(person.list_id.in_(list_ids), person.dedupe_key.in_(keys[start:start + AT_ONCE]), person.state == "active"))
