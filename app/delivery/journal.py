"""The journal: what a sender did between a mail's last byte and the record of its reply, on disk before anything else knows.

A slot is a file of lines, locked (``flock``) by the process that sends and opened by it after every fork: ``D`` that the dot goes out
now; ``A``, ``T`` or ``F`` for the reply (accepted, temporary, final); ``U`` that a mail was dropped before its dot. Lines are copied into
memory that is the file (``mapped_lines.py``). The kernel lets the lock go with the process, so whoever gets it after a crash knows that
nobody sends under this slot any more, and exactly which mails went out. Lines carry the claim: an old journal never settles a newer one.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import orjson

from app.delivery.mapped_lines import MappedLines
from app.delivery.transports.outcome import Outcome

Word = Literal["D", "A", "T", "F", "U"]

LONGEST_TEXT = 300
# flock and shared mappings mean less there than the journal needs: two machines could hold one lock, and lines could be lost or mixed.
NETWORK_FILE_SYSTEMS = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.cephfs", "fuse.davfs", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs"})
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS, errno.ENOMEM, errno.EOPNOTSUPP})
_WORDS: dict[str, Word] = {"sent": "A", "deferred": "T", "failed": "F", "unstarted": "U"}
_ACCEPTED = b' [250,"","","accepted"]\n'
_LINE = re.compile(rb"([DATFU]) (\d{1,19}) (\d{1,19}) (\S+)(?: (\[.*\]))?", re.DOTALL)
_SLOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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
    """A folder of slots on a disk of this machine; ``id`` is its own random UUID, made once and kept in the folder."""

    def __init__(self, path: Path) -> None:
        """Make the folder where it is missing; raise JournalRefused where it cannot hold a journal."""
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        kind = file_system_of(path)
        if kind in NETWORK_FILE_SYSTEMS:
            raise JournalRefused(f"{path} is on a network file system ({kind}). Put LETTERMILL_JOURNAL on a disk of this machine.")
        self.id = self._read_id() or self._make_id()
        self._try_to_map(path / "id")

    def _read_id(self) -> str:
        try:
            text = (self.path / "id").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""
        try:
            return str(uuid.UUID(text))
        except ValueError as error:
            raise JournalRefused(f"{self.path / 'id'} does not hold the folder's id. Put it back from a copy, or move the folder away; "
                                 "mails that were under way are then settled after their lease.") from error

    def _make_id(self) -> str:
        """Write the id under another name and link it into place: no process ever sees half of it, and the first one wins."""
        draft = self.path / f"id.{uuid.uuid4().hex}"
        with draft.open("w", encoding="ascii") as out:
            out.write(str(uuid.uuid4()))
            out.flush()
            os.fsync(out.fileno())
        try:
            (self.path / "id").hardlink_to(draft)
        except FileExistsError:
            return self._read_id()  # Another process was first; its id is the folder's.
        finally:
            draft.unlink()
        return self._read_id()

    def _try_to_map(self, file: Path) -> None:
        """Refuse a folder whose files cannot be memory of two processes at once: some shares of virtual machines cannot do that."""
        with file.open("rb") as opened:
            try:
                mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ).close()
            except OSError as error:
                raise JournalRefused(f"Files in {self.path} cannot be mapped into memory ({error.strerror}). "
                                     "Put LETTERMILL_JOURNAL on a disk of this machine.") from error

    def names(self) -> list[str]:
        """Return the names of all slots that have a file here."""
        return sorted(file.stem for file in self.path.glob("*.journal"))

    def file(self, name: str) -> Path:
        """Return the file of a slot."""
        if not _SLOT_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a slot")
        return self.path / f"{name}.journal"

    def open(self, name: str) -> SlotJournal:
        """Open and lock a slot for this process; raise SlotBusy while another one lives."""
        return SlotJournal(self.file(name))


class SlotJournal:
    """One slot, held by this process until it is closed or dies. A fork must open its own: under a lock that two share, neither is safe."""

    def __init__(self, file: Path) -> None:
        self._process = os.getpid()
        self._sending, self._claimed = b" 0 ", b" -"
        # Of each mail that was named: its sending, its position and its claim as they stand in its lines.
        self._named: dict[int, bytes] = {}
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise SlotBusy(file.stem) from error
        self._lines = MappedLines(handle)

    def under(self, sending_id: int, claim: str, positions: Iterable[int] = ()) -> None:
        """Say whose mails come next: their lines carry this sending and claim, and so do those of mails that nobody named.

        Mails that were named before keep theirs until the slot is emptied: two slices may be on the wire. Raises RuntimeError in a fork
        of the slot's process.
        """
        if os.getpid() != self._process:
            raise RuntimeError("a slot is opened in the process that sends, not inherited by a fork")
        if not claim or not claim.isprintable() or " " in claim:
            raise ValueError(f"{claim!r} is no claim")
        self._sending, self._claimed = b" %d " % sending_id, b" %s" % claim.encode("ascii")
        self._named.update({position: self._mail(position) for position in positions})

    def _mail(self, position: int) -> bytes:
        return b"%s%d%s" % (self._sending, position, self._claimed)

    def dot(self, position: int) -> None:
        """Note that the last bytes of this mail go out now; raise JournalFull, and then they must not."""
        self._write(b"D" + (self._named.get(position) or self._mail(position)) + b"\n")

    def reply(self, position: int, outcome: Outcome) -> None:
        """Note the reply to this mail; raise JournalFull. A mail in doubt has none: its ``D`` stands."""
        mail = self._named.get(position) or self._mail(position)
        if outcome.state == "sent":
            self._write(b"A" + mail + _ACCEPTED)
        elif outcome.state != "in_doubt":
            reply = outcome.reply
            said = orjson.dumps([reply.code, reply.enhanced, reply.text[:LONGEST_TEXT], outcome.fate.value])
            self._write(b"%s%s %s\n" % (_WORDS[outcome.state].encode(), mail, said))

    def _write(self, line: bytes) -> None:
        try:
            self._lines.append(line)
        except OSError as error:
            if error.errno in _DISK_ERRORS:
                raise JournalFull(f"The journal cannot be written: {error.strerror}. Nothing is sent until it can.") from error
            raise

    def entries(self) -> dict[tuple[int, int], Entry]:
        """Return the last word on every mail in the slot."""
        return entries_of(self._lines.read().split(b"\n"))

    def truncate(self) -> None:
        """Empty the slot: the database knows everything in it."""
        self._named.clear()
        self._lines.clear()

    def close(self) -> None:
        """Let the slot go."""
        self._lines.close()


def is_empty(file: Path) -> bool:
    """Whether the slot's file holds no line: it was emptied, or never used. Whoever holds the slot may write in this moment."""
    with file.open("rb") as content:
        return content.read(1) in {b"", b"\0"}


def entries_of(lines: Iterable[bytes]) -> dict[tuple[int, int], Entry]:
    """Return the last word on every mail that the lines speak of; a line that cannot be read says nothing."""
    found: dict[tuple[int, int], Entry] = {}
    for line in lines:
        parts = _LINE.fullmatch(line)
        entry = _entry(parts) if parts else None
        if parts and entry:
            found[int(parts[2]), int(parts[3])] = entry
    return found


def _entry(parts: re.Match[bytes]) -> Entry | None:
    word, claim = cast("Word", parts[1].decode()), parts[4].decode("ascii", "replace")
    if word == "D":
        return Entry(claim, word)
    try:
        code, enhanced, text, fate = orjson.loads(parts[5] or b"")
    except ValueError:
        return None
    return Entry(claim, word, code, enhanced, text, fate)


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the kind of file system that holds the path ("" where the system does not say)."""
    if not mounts.exists():
        return ""
    target, best, kind = path.resolve(), -1, ""
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        _, escaped, found, *_ = line.split(" ")
        mount = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), escaped))
        if target.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), found
    return kind
