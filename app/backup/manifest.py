"""The first page of a backup: what made it, when, from which database, at which revision, and what is inside."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

FORMAT = 1
NAME = "manifest.json"
TABLES = "tables/"
FILES = "files/"
KEY = "key"


class BackupProblem(RuntimeError):
    """A backup cannot be made or restored; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself. ``tables`` counts the rows of each table; ``made_at`` is UTC, ISO 8601."""

    format: int
    made_at: str
    database: str
    revisions: list[str]
    tables: dict[str, int]
    files: int
    key: str
    key_print: str

    def to_json(self) -> bytes:
        """Return the manifest as it is written."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def read_manifest(source: Path) -> Manifest:
    """Return what a backup says of itself; raise BackupProblem for a file that is none, is damaged, or is of a later version."""
    try:
        with zipfile.ZipFile(source) as archive:
            fields = orjson.loads(archive.read(NAME))
    except FileNotFoundError:
        raise BackupProblem(f"There is no file {source}") from None
    except (OSError, KeyError, zipfile.BadZipFile, orjson.JSONDecodeError) as error:
        raise BackupProblem(f"{source} is not a backup of Lettermill, or it is damaged ({error})") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise BackupProblem(f"{source} was made by a later version of Lettermill: restore it with that one")
    try:
        return Manifest(**fields)
    except TypeError as error:
        raise BackupProblem(f"{source} does not say what is in it: it is damaged ({error})") from error


def key_print(key: str) -> str:
    """Return a fingerprint that tells two keys apart and gives nothing of them away."""
    return hashlib.sha256(b"lettermill:key-print:" + key.strip().encode()).hexdigest()[:16]
