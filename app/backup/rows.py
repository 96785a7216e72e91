"""A row as a line of JSON, the same from either database.

Values are taken from the driver as they are, without SQLAlchemy's types, and written the way SQLite keeps them: a moment as text
with microseconds, a truth value as 0 or 1, JSON as its text. MariaDB reads all of these. Bytes are the one thing JSON lacks.
"""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

_BYTES = "base64"


def to_line(values: tuple[Any, ...]) -> bytes:
    """Return the row as one line, with its line feed."""
    return orjson.dumps([_plain(value) for value in values]) + b"\n"


def from_line(line: bytes) -> list[Any]:
    """Return the values of a line; raise ValueError for one that is damaged."""
    return [base64.b64decode(value[_BYTES]) if isinstance(value, dict) else value for value in orjson.loads(line)]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return {_BYTES: base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _time_of_day(value)
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a column holds {type(value).__name__}, which a backup cannot keep")


def _time_of_day(value: timedelta) -> str:
    """MariaDB's TIME, which PyMySQL hands out as a length of time."""
    seconds, microseconds = divmod(value // timedelta(microseconds=1), 1_000_000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{microseconds:06d}"
