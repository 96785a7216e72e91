"""What the processes say: to the console with the process's name before it, and to a file of its own that is rotated."""

from __future__ import annotations

import os
import sys
from pathlib import Path

KEEP_BYTES = 5_000_000
KEEP_FILES = 3


class Console:
    """The console of the person who started us. It may go away (a closed window, ``| head``); the house goes on."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._open = True

    def line(self, name: str, text: str) -> None:
        """Write one line that a process said."""
        self._write(f"{name.ljust(self._width)} | {text}\n")

    def say(self, text: str) -> None:
        """Write something that is ours to say."""
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if not self._open:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (BrokenPipeError, OSError):
            self._open = False
            # The interpreter flushes standard output once more when it ends, and would complain then.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class LogFile:
    """One process's log: appended to, and set aside as ``.1`` … ``.3`` whenever it reaches 5 MB."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def write(self, text: str) -> None:
        """Append one line."""
        self._file.write(text + "\n")
        self._file.flush()
        if self._file.tell() >= KEEP_BYTES:
            self._rotate()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", errors="replace")

    def _rotate(self) -> None:
        self._file.close()
        for number in range(KEEP_FILES - 1, 0, -1):
            older = self._aside(number)
            if older.exists():
                older.replace(self._aside(number + 1))
        self._path.replace(self._aside(1))
        self._open()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class Lines:
    """Cuts a stream of bytes into lines of text; a line that never ends is cut at 64 KB."""

    LIMIT = 65536

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that these bytes complete; no bytes means that the stream has ended."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > self.LIMIT):
            whole.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", "replace").rstrip("\r") for line in whole]
