"""The journal: what a sender did between a mail's last byte and the record of its reply, on disk before anything else knows.

A slot is an append-only file, locked (``flock``) by the process that sends, opened after every fork. Each line is one ``os.write``: "D" that
the dot goes out now, "A", "T" or "F" for the reply. Whoever gets the lock after a crash knows exactly which mails went out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from app.delivery.transports.outcome import Outcome

Word = Literal["D", "A", "T", "F", "U"]
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.s3fs", "glusterfs", "ceph", "lustre", "afs"})
_WORDS: dict[str, Word] = {"sent": "A", "deferred": "T", "failed": "F", "in_doubt": "D", "unstarted": "U"}


class SlotBusy(Exception):
    """Another process holds the slot: it is alive."""


class JournalFull(Exception):
    """The journal cannot be written; no dot may be sent."""


class JournalRefused(Exception):
    """The folder cannot hold a journal; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The last word on one mail: who claimed it, what is known, and the reply where there was one."""

    claim: str
    word: Word
    code: int = 0
    enhanced: str = ""
    text: str = ""
    fate: str = ""


class JournalDirectory:
    """A folder of slots on a disk of this machine; ``id`` is its own random number, made once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        kind = file_system_of(path)
        if kind in NETWORK_FILE_SYSTEMS:
            raise JournalRefused(f"{path} is on a network file system ({kind}). Put LETTERMILL_JOURNAL on a disk of this machine.")
        self.id = self._read_id()

    def _read_id(self) -> str:
        file = self.path / "id"
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return file.read_text().strip()
        with os.fdopen(handle, "w") as out:
            number = str(uuid.uuid4())
            out.write(number)
            out.flush()
            os.fsync(out.fileno())
        return number

    def names(self) -> list[str]:
        """Return the names of all slots that have a file here."""
        return sorted(file.stem for file in self.path.glob("*.journal"))

    def file(self, name: str) -> Path:
        """Return the file of a slot."""
        return self.path / f"{name}.journal"

    def open(self, name: str) -> SlotJournal:
        """Open and lock a slot for this process; raise SlotBusy while another one lives."""
        return SlotJournal(self.file(name))


class SlotJournal:
    """One slot, held by this process until it is closed or dies."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.claim = ""
        self.sending_id = 0
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise SlotBusy(file.stem) from error

    def under(self, sending_id: int, claim: str) -> None:
        """Say whose mails come next: every line carries their sending and claim."""
        self.sending_id, self.claim = sending_id, claim

    def dot(self, position: int) -> None:
        """Note that the last bytes of this mail go out now; raise JournalFull, and then they must not."""
        self._write(f"D {self.sending_id} {position} {self.claim}\n".encode())

    def reply(self, position: int, outcome: Outcome) -> None:
        """Note the reply to this mail."""
        reply = outcome.reply
        said = orjson.dumps([reply.code, reply.enhanced, reply.text[:300], outcome.fate])
        self._write(f"{_WORDS[outcome.state]} {self.sending_id} {position} {self.claim} ".encode() + said + b"\n")

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._handle, line)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}:
                raise JournalFull(f"the journal cannot be written: {error.strerror}") from error
            raise
        if written != len(line):
            raise JournalFull("the disk of the journal is full")

    def entries(self) -> dict[tuple[int, int], Entry]:
        """Return the last word on every mail in the slot."""
        return read_entries(self.file)

    def truncate(self) -> None:
        """Empty the slot: the database knows everything in it."""
        os.ftruncate(self._handle, 0)

    def close(self) -> None:
        """Let the slot go."""
        os.close(self._handle)


def read_entries(file: Path) -> dict[tuple[int, int], Entry]:
    """Return {(sending, position): last word}; a last line that was torn by a crash is left out."""
    if not file.exists():
        return {}
    return entries_of(file.read_bytes().split(b"\n")[:-1])


def entries_of(lines: Iterable[bytes]) -> dict[tuple[int, int], Entry]:
    """Return the last word on every mail that the lines speak of; a line that cannot be read says nothing."""
    found: dict[tuple[int, int], Entry] = {}
    for line in lines:
        parts = line.split(b" ", 4)
        if len(parts) < 4 or not (parts[1].isdigit() and parts[2].isdigit()):
            continue
        word, claim = parts[0].decode("ascii", "replace"), parts[3].decode("ascii", "replace")
        if word == "D":
            found[int(parts[1]), int(parts[2])] = Entry(claim, "D")
        elif word in {"A", "T", "F", "U"} and len(parts) == 5:
            code, enhanced, text, fate = orjson.loads(parts[4])
            found[int(parts[1]), int(parts[2])] = Entry(claim, word, code, enhanced, text, fate)  # type: ignore[arg-type]
    return found


def file_system_of(path: Path) -> str:
    """Return the kind of file system that holds the path ("" where the system does not say)."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    target, best, kind = str(path.resolve()), "", ""
    for line in mounts.read_text().splitlines():
        _, mount, found, *_ = line.split(" ")
        mount = mount.replace("\\040", " ")
        if (target == mount or target.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
            best, kind = mount, found
    return kind
