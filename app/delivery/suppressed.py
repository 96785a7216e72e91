"""Who must not be mailed: looked up for many addresses at once, by every kind of pattern that there is.

An address is held back by itself, by its domain (``@example.com``) or by a domain above its own (``@.example.com``), for everybody,
for one account, or on one list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.audience.models import Suppression

SUPPRESSIONS: sa.Table = Suppression.__table__  # type: ignore[assignment]
AT_ONCE = 1000
EVERYBODY = 0
EVERY_LIST = 0


def domain_patterns(dedupe_key: str) -> Iterator[str]:
    """Yield the patterns that hold back a whole domain and with it this address."""
    domain = dedupe_key.rpartition("@")[2]
    yield "@" + domain
    labels = domain.split(".")
    for start in range(1, len(labels)):
        yield "@." + ".".join(labels[start:])


class Suppressed:
    """What of a set of addresses is held back, read at one moment in the caller's transaction."""

    def __init__(self, found: Iterable[tuple[str, int]]) -> None:
        self._found: dict[str, set[int]] = {}
        for pattern, list_id in found:
            self._found.setdefault(pattern, set()).add(list_id)

    def __bool__(self) -> bool:
        return bool(self._found)

    def holds(self, dedupe_key: str, list_id: int | None) -> bool:
        """Whether this address must not be mailed as a member of this list."""
        if not self._found:
            return False
        return any(self._on(pattern, list_id) for pattern in (dedupe_key, *domain_patterns(dedupe_key)))

    def _on(self, pattern: str, list_id: int | None) -> bool:
        lists = self._found.get(pattern, frozenset[int]())
        return EVERY_LIST in lists or list_id in lists


def look_up(connection: Connection, user_id: int, dedupe_keys: Iterable[str], *, domains_only: bool = False) -> Suppressed:
    """Return what holds back these normalised addresses of this account's sending."""
    keys = list(dedupe_keys)
    wanted = {pattern for domain in {key.rpartition("@")[2] for key in keys} for pattern in domain_patterns("@" + domain)}
    if not domains_only:
        wanted.update(keys)
    return Suppressed(_read(connection, user_id, sorted(wanted)))


def _read(connection: Connection, user_id: int, patterns: list[str]) -> Iterator[tuple[str, int]]:
    for start in range(0, len(patterns), AT_ONCE):
        rows = connection.execute(_LOOKING, {"patterns": patterns[start:start + AT_ONCE], "accounts": (EVERYBODY, user_id)})
        yield from ((row.pattern, row.list_id) for row in rows)


_LOOKING = sa.select(SUPPRESSIONS.c.pattern, SUPPRESSIONS.c.list_id).where(
    SUPPRESSIONS.c.pattern.in_(sa.bindparam("patterns", expanding=True)), SUPPRESSIONS.c.user_id.in_(sa.bindparam("accounts", expanding=True)))
