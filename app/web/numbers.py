"""Numbers that stand in addresses: what no row can have is not there (in the path) or not asked for (behind the question mark)."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.routing import IntegerConverter, Map

# The largest number that a BIGINT takes, on both databases; SQLite's driver refuses larger ones outright.
LARGEST = 2**63 - 1


class RowNumber(IntegerConverter):
    """``<int:…>`` in a route: a number that a row can have; any other answers 404."""

    def __init__(self, map: Map, *args: object, **options: object) -> None:
        super().__init__(map, *args, **{"max": LARGEST, **options})  # type: ignore[arg-type]


def init_numbers(app: Flask) -> None:
    """Hold every route's numbers to what a row can have; before the first route is registered."""
    app.url_map.converters["int"] = RowNumber


def asked_number(name: str, default: int) -> int:
    """Return the number behind the question mark, or ``default`` for none, for what is no number and for what no row can have."""
    number = request.args.get(name, default, int)
    return number if -LARGEST <= number <= LARGEST else default
