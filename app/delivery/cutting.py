"""Cutting a frozen chunk into batches: ordered by pacing group, cut at the groups' borders, none larger than a sender claims at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.delivery.pacing import pacing_group

LARGEST = 1000
OWN_BATCH_FROM = 200
MIXED = ""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows that become one batch, and the pacing group that they share."""

    group: str
    rows: Sequence[Row]


def cut(rows: Sequence[Row], known: Mapping[str, str] | None = None) -> list[Cut]:
    """Return the rows in batches; ``known``: cached providers by domain.

    A group of fewer than 200 rows shares a mixed batch, so that small domains do not become crumbs.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[pacing_group(row["dedupe_key"], known or {})].append(row)
    large = {name: members for name, members in groups.items() if len(members) >= OWN_BATCH_FROM}
    mixed = [row for name, members in groups.items() if name not in large for row in members]
    cuts = [Cut(name, part) for name in sorted(large) for part in _parts(large[name])]
    return cuts + [Cut(MIXED, part) for part in _parts(mixed)]


def _parts(rows: list[Row]) -> Iterator[list[Row]]:
    """Yield the rows in parts of nearly equal size."""
    number = -(-len(rows) // LARGEST)
    for part in range(number):
        yield rows[part * len(rows) // number:(part + 1) * len(rows) // number]
