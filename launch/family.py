"""All children together: one loop that reads what they say, starts again what fell over, and ends them in order."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Self, cast

from launch import strays
from launch.children import Child, Program
from launch.output import Console, Lines, LogFile

# Ctrl-C to the last process gone: 9 + 1 + 2 + 1 seconds at the very most, under the 15 that are promised.
GRACE_S = 9.0
LAST_GRACE_S = 2.0
REAP_S = 1.0
TICK_S = 0.2
# Others need these to the end: they are asked last.
LAST = ("mailbox", "valkey")


class Interrupted(Exception):
    """Somebody asked us to end: Ctrl-C, SIGTERM, or the console was closed."""


class Family:
    """The children of this run, by name. At the end of its ``with`` block every one of them has ended."""

    def __init__(self, data: Path, console: Console) -> None:
        self._data, self._console = data, console
        self._selector = selectors.DefaultSelector()
        self._logs: dict[str, LogFile] = {}
        self._ending = False
        self._asked = self._heeded = 0
        self.environ: Mapping[str, str] = {}
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is Interrupted:
            self._console.say("Ending: each process finishes what it has in hand (Ctrl-C once more ends at once)")
        self.end()

    def start(self, program: Program) -> Child:
        """Start a program and keep it running if it is a lasting one."""
        child = self.children.setdefault(program.name, Child(program))
        stream = child.start(self.environ)
        self._selector.register(stream, selectors.EVENT_READ, (child, Lines()))
        return child

    def run(self, program: Program) -> tuple[int, list[str]]:
        """Run a program to its end beside the others; return its exit status and what it said."""
        heard: list[str] = []
        child = self.start(program)
        while not self._tick(lambda of, line: heard.append(line) if of is child else None, until=child):
            pass
        del self.children[program.name]
        assert child.process is not None  # noqa: S101 - it was started above
        return child.process.wait(), heard

    def wait(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Go on until something is so; return False when it is not within this time."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                return False
            self._tick()
        return True

    def watch(self) -> None:
        """Go on until somebody asks us to end (raises Interrupted)."""
        while True:
            self._tick()

    def end(self) -> None:
        """End every child: those with work in hand first, then those they need, then whatever did not listen."""
        self._ending = True
        first = [child for child in self.children.values() if child.name not in LAST]
        self._end_kindly(first, GRACE_S)
        self._end_kindly([child for child in self.children.values() if child.name in LAST], LAST_GRACE_S)
        strays.kill_marked(self._data)
        self._settle(list(self.children.values()), REAP_S)

    def _end_kindly(self, children: list[Child], seconds: float) -> None:
        for child in children:
            child.ask_to_end()
        self._settle(children, seconds)
        for child in children:
            if child.is_running:
                self._console.say(f"{child.name} did not end within {seconds:g} s and is ended now")
            child.kill()

    def _settle(self, children: list[Child], seconds: float) -> None:
        """Read on until the children have ended, or the time is over, or Ctrl-C was pressed once more."""
        deadline = time.monotonic() + seconds
        try:
            while any(child.is_running for child in children) and time.monotonic() < deadline:
                self._tick()
        except Interrupted:
            self._console.say("Ending at once")

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        """Only note the signal: it may arrive between any two lines. The next tick heeds it."""
        self._asked += 1

    def _heed(self) -> None:
        if self._asked > self._heeded:
            self._heeded = self._asked
            raise Interrupted

    def _tick(
        self,
        heard: Callable[[Child, str], None] | None = None,
        until: Child | None = None,
    ) -> bool:
        """Read what the children said, and look after those that ended; return whether ``until`` has said its last word."""
        self._heed()
        finished = False
        for key, _events in self._selector.select(TICK_S):
            child, lines = key.data
            data = _read(key.fd)
            if data is None:
                continue
            for line in lines.feed(data):
                self._pass_on(child, line)
                if heard:
                    heard(child, line)
            if not data:
                self._selector.unregister(key.fileobj)
                cast(IO[bytes], key.fileobj).close()
                finished = finished or child is until
        self._look_after()
        return finished

    def _pass_on(self, child: Child, line: str) -> None:
        if child.program.shown:
            self._console.line(child.name, line)
        if not child.program.logged:
            return
        if child.name not in self._logs:
            self._logs[child.name] = LogFile(self._data / "logs" / f"{child.name}.log")
        self._logs[child.name].write(line)

    def _look_after(self) -> None:
        """Start again what ended and should not have."""
        now = time.monotonic()
        for child in list(self.children.values()):
            if self._ending or not child.program.lasting or child.is_running:
                continue
            if child.starts_again_at is None:
                wait = child.plan_restart()
                self._console.say(f"{child.name} ended ({child.how_it_ended}); it starts again in {wait:g} s")
            elif now >= child.starts_again_at:
                self.start(child.program)


def _read(descriptor: int) -> bytes | None:
    """Return what can be read now; nothing (b"") at the end of the stream, None where there is nothing yet."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""

