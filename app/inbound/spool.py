"""The spool: mail that was taken in and not read yet, one file each. Whoever answers 250 has put it here first.

A file is a line of JSON, the envelope, and then the mail as it came. It is written under another name, brought to the disk, and only then
given its own, so that a kill at any moment leaves a whole mail or none. Its name is the hash of recipients and mail: the same mail, put
twice, is one. The folder is on a disk of this machine, as the journals are: ``flock`` is what keeps two readers from one mail, and not
every network file system keeps its word about ``flock`` and ``fsync``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

log = logging.getLogger(__name__)

Way = Literal["smtp", "lmtp", "pop3", "imap", "pipe"]
FOLDER = "inbound"
# Of the mails that wait and those that were kept, together: what a disk has to have room for.
MOST_BYTES, MOST_FILES = 2 * 1024 ** 3, 50_000
# A file that has no name of its own after so long belongs to a process that was killed.
LEFT_OVER_S = 600
# So long the sum of the files is believed, with what this process has put since.
MEASURED_S = 1.0


class SpoolFull(Exception):
    """There is no room for another mail; whoever offers it is to come again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What came with a mail and does not stand in it. ``mfrom`` is empty for ``<>``; ``at`` is UTC, in ISO 8601."""

    mfrom: str
    recipients: tuple[str, ...]
    way: Way
    client: str = ""
    helo: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that this process reads now, and nobody else."""

    name: str
    envelope: Envelope
    data: bytes


def arrived(**values: object) -> Envelope:
    """Return an envelope that came at this moment."""
    return Envelope(**values, at=datetime.now(UTC).isoformat())  # type: ignore[arg-type]


def name_of(recipients: Sequence[str], data: bytes) -> str:
    """Return what the mail is called in the spool: the same for the same mail to the same recipients."""
    digest = hashlib.sha256()
    for recipient in sorted(recipients):
        digest.update(recipient.encode("utf-8", "surrogateescape") + b"\0")
    digest.update(b"\0" + data)
    return digest.hexdigest()


class Spool:
    """The folder. Many processes may put into it and take out of it; within a process, many threads."""

    def __init__(self, data: Path, *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> None:
        self._most_bytes, self._most_files = most_bytes, most_files
        self._unnamed, self._waiting, self._kept = (data / FOLDER / name for name in ("unnamed", "waiting", "kept"))
        for folder in (self._unnamed, self._waiting, self._kept):
            folder.mkdir(parents=True, exist_ok=True)
        self._turn = threading.Lock()
        self._bytes = self._files = 0
        self._measured_at = float("-inf")

    def put(self, data: bytes, envelope: Envelope) -> str:
        """Keep a mail and return its name; when this returns, it is on the disk. Raise SpoolFull, or OSError where the disk fails."""
        name = name_of(envelope.recipients, data)
        place = self._waiting / name
        if not place.exists():
            head = json.dumps(asdict(envelope)).encode() + b"\n"
            self._make_room(len(head) + len(data))
            self._write(place, head, data)
        # Also where the file was there: who put it may not have come to this line.
        _bring_to_disk(self._waiting)
        return name

    def waiting(self) -> list[str]:
        """Return the names of the mails that wait, in the order in which they came."""
        with os.scandir(self._waiting) as entries:
            found = [(moment, entry.name) for entry in entries if (moment := _moment(entry)) is not None]
        return [name for _, name in sorted(found)]

    @contextmanager
    def take(self, name: str) -> Iterator[Taken | None]:
        """Read a mail, for this block alone; None where another process has it or it is gone. A killed process lets go of it."""
        try:
            file = (self._waiting / name).open("rb")
        except FileNotFoundError:
            yield None
            return
        with file:
            yield self._read(name, file) if _is_ours(file) else None

    def done(self, name: str) -> None:
        """Forget a mail: what it said is committed elsewhere."""
        (self._waiting / name).unlink(missing_ok=True)
        _bring_to_disk(self._waiting)

    def keep(self, name: str) -> None:
        """Put a mail that nobody could read out of the way, for a person; it counts against the room there is."""
        (self._waiting / name).rename(self._kept / name)
        _bring_to_disk(self._kept)
        _bring_to_disk(self._waiting)

    def kept(self) -> list[Path]:
        """Return the files of the mails that were kept."""
        return sorted(self._kept.iterdir())

    def sweep(self) -> int:
        """Delete what killed processes left half written; return how many files."""
        line = time.time() - LEFT_OVER_S
        with os.scandir(self._unnamed) as entries:
            old = [entry.path for entry in entries if (moment := _moment(entry)) is not None and moment < line * 1e9]
        for path in old:
            Path(path).unlink(missing_ok=True)
        return len(old)

    def _read(self, name: str, file: BinaryIO) -> Taken | None:
        """Return a mail; one whose file is broken, which no kill does but a disk may, is put out of the way of the others."""
        try:
            return self._opened(name, file)
        except (ValueError, KeyError, TypeError):
            log.exception("a file of the spool is broken and was kept aside", extra={"name_of_file": name})
            self.keep(name)
            return None

    def _opened(self, name: str, file: BinaryIO) -> Taken:
        values = json.loads(file.readline())
        return Taken(name, Envelope(**values | {"recipients": tuple(values["recipients"])}), file.read())

    def _write(self, place: Path, head: bytes, data: bytes) -> None:
        unnamed = self._unnamed / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with unnamed.open("xb", buffering=0) as file:
                for part in (head, data):
                    _write_whole(file.fileno(), part)
                os.fsync(file.fileno())
            unnamed.rename(place)
        except OSError:
            unnamed.unlink(missing_ok=True)
            raise

    def _make_room(self, size: int) -> None:
        with self._turn:
            if time.monotonic() - self._measured_at > MEASURED_S:
                self._measure()
            if self._bytes + size > self._most_bytes or self._files >= self._most_files:
                raise SpoolFull(f"{self._files} mails of {self._bytes} bytes wait")
            self._bytes += size
            self._files += 1

    def _measure(self) -> None:
        self.sweep()
        sizes = [size for folder in (self._unnamed, self._waiting, self._kept) for size in _sizes(folder)]
        self._bytes, self._files, self._measured_at = sum(sizes), len(sizes), time.monotonic()


def _is_ours(file: BinaryIO) -> bool:
    """Whether nobody else holds the file, and nobody was done with it before we held it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file.fileno()).st_nlink > 0


def _sizes(folder: Path) -> Iterator[int]:
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                yield entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue


def _moment(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return None


def _write_whole(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest):]


def _bring_to_disk(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
