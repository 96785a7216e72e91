"""A file of lines that is mapped into memory: to add a line is a copy, no call of the kernel, and it outlives this process all the same.

A shared mapping is the page cache of the file itself, so that a process's death, at whatever instruction, takes nothing out of it. What
counts are the whole lines before the first NUL byte; behind them is room, made of NUL bytes. A copy that a kill has torn leaves a line
with a NUL byte in it or before it, which is no whole line: so a line is there or it is not, in whatever order its bytes were copied.

Room is reserved before a line is put into it. A disk that is full says so there, as an OSError, and never in a copy, as a signal that kills.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Iterator

# Room is made in steps of so many bytes; the lines of about 3,000 mails need one.
STEP = 256 * 1024
# A file that has grown beyond so many bytes gives its room back when it is emptied.
MOST_KEPT = 4 * 1024 * 1024
# Files are read in pieces of this size: most of a journal is room, which need not be held in memory.
_BLANK = bytes(64 * 1024)
# What the C library says where it leaves it to others to reserve room on a file system that cannot (musl does; glibc writes by itself).
_CANNOT_RESERVE = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


def whole_lines(content: bytes) -> bytes:
    """Return the lines that were written whole: what stands before the first NUL byte, up to its last newline."""
    written = content.partition(b"\0")[0]
    return written[:written.rfind(b"\n") + 1]


class MappedLines:
    """The lines of an open file, which nobody else writes: the caller holds its lock, and gives it up by ``close``.

    Files that were written line by line, without room behind them, are taken over as they are.
    """

    def __init__(self, handle: int) -> None:
        """Take the file over: what its last writer left behind the last whole line is cut off, and never comes alive again.

        That happens before anything is written, and needs no room.
        """
        self._handle = handle
        self._map: mmap.mmap | None = None
        self._copy: Callable[[bytes], int] = _no_room
        self._taken_over = len(self.read())
        if any(piece != _BLANK[:len(piece)] for piece in self._pieces(self._taken_over)):
            os.ftruncate(handle, self._taken_over)

    @property
    def _used(self) -> int:
        return self._taken_over if self._map is None else self._map.tell()

    def append(self, line: bytes) -> None:
        """Add a line, which ends with a newline and has no NUL byte; raise OSError where there is no room, and then nothing is added."""
        try:
            self._copy(line)
        except ValueError:  # There is no room for it in the mapping; nothing was copied.
            self._make_room(self._used + len(line))
            self._copy(line)

    def read(self) -> bytes:
        """Return the whole lines, as any other process would find them."""
        written = bytearray()
        for piece in self._pieces(0):
            written += piece
            if b"\0" in piece:
                break
        return whole_lines(bytes(written))

    def clear(self) -> None:
        """Empty the file.

        The first byte goes first: that is one store, behind which no reader finds anything any more, so a kill finds all lines or none.
        What is behind it goes next; where a kill comes between, whoever opens the file cuts it off before a new line could reach it.
        """
        used = self._used
        if self._map is not None and len(self._map) <= MOST_KEPT:
            if used:
                self._map[0] = 0
                self._map[:used] = bytes(used)
                self._map.seek(0)
        elif used:
            self._unmap()
            os.ftruncate(self._handle, 0)
            self._taken_over = 0

    def close(self) -> None:
        """Close the file. Its lock goes with the last that holds it open, and the mapping is one of them."""
        self._unmap()
        os.close(self._handle)

    def _pieces(self, start: int) -> Iterator[bytes]:
        while piece := os.pread(self._handle, len(_BLANK), start):
            yield piece
            start += len(piece)

    def _make_room(self, end: int) -> None:
        """Reserve room up to ``end`` at least, and for all that the file has already: it could have holes. Where that fails, all is as before."""
        size = max(os.fstat(self._handle).st_size, -(-end // STEP) * STEP)
        reserve(self._handle, size)
        grown = mmap.mmap(self._handle, size)
        grown.seek(self._used)
        self._unmap()
        self._map, self._copy = grown, grown.write

    def _unmap(self) -> None:
        if self._map is not None:
            self._taken_over = self._used
            self._map.close()
        self._map, self._copy = None, _no_room


def _no_room(_line: bytes) -> int:
    raise ValueError("nothing is mapped yet")


def reserve(handle: int, size: int) -> None:
    """Make the file ``size`` bytes long, with room on its disk for each of them; raise OSError where there is none."""
    try:
        if hasattr(os, "posix_fallocate"):  # macOS has none.
            os.posix_fallocate(handle, 0, size)
            return
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise
    while (length := os.fstat(handle).st_size) < size:
        os.pwrite(handle, bytes(size - length), length)
