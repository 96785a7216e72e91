"""A mail server that tells the truth: what it took responsibility for, in order, and the faults that a test asks of it."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

_ADDRESS = re.compile(rb"<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that the sink answered 250 for, or would have: it had the whole mail when the dot came."""

    mfrom: str
    rcpt_to: str
    data: bytes
    at: float


@dataclass(slots=True)
class Faults:
    """What goes wrong, by recipient. Each reply is used once for each entry of its list, then the recipient is taken."""

    at_rcpt: dict[str, list[bytes]] = field(default_factory=dict)
    at_dot: dict[str, list[bytes]] = field(default_factory=dict)
    # By domain, at RCPT, for as long as it stands here. After a 421 the connection is closed.
    at_domain: dict[str, bytes] = field(default_factory=dict)
    # The mail is taken and the connection cut before the reply.
    lose_reply: dict[str, int] = field(default_factory=dict)
    # Seconds before the reply to the dot.
    dot_delay_s: float = 0.0
    greeting: bytes = b"220 sink.test ESMTP"
    pipelining: bool = True


class Sink:
    """An SMTP server in a thread of its own, on a port of its own."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        # Each RCPT TO, whatever was answered, and when.
        self.asked: list[tuple[str, float]] = []
        self.faults = Faults()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Sink:
        """Listen; return when it does."""
        self._thread.start()
        self._ready.wait(10)
        return self

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def copies(self) -> Counter[str]:
        """Return how many copies each address got."""
        return Counter(one.rcpt_to for one in self.taken)

    def wait_for(self, number: int, seconds: float = 20) -> None:
        """Wait until so many mails were taken."""
        until = time.monotonic() + seconds
        while len(self.taken) < number and time.monotonic() < until:
            time.sleep(0.02)
        assert len(self.taken) >= number, f"{len(self.taken)} of {number} mails came"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Dialogue(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


class _Dialogue:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink, self.faults, self.reader, self.writer = sink, sink.faults, reader, writer
        self.mfrom, self.rcpt = "", ""

    async def run(self) -> None:
        self.say(self.faults.greeting)
        if not self.faults.greeting.startswith(b"220"):
            return
        while line := await self.reader.readline():
            if await self.answer(line.strip()):
                return

    def say(self, line: bytes) -> None:
        self.writer.write(line + b"\r\n")

    async def answer(self, line: bytes) -> bool:
        """Answer one command; return whether the connection ends."""
        verb = line[:4].upper()
        if verb == b"EHLO":
            self.say(b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME" if self.faults.pipelining else b"250 sink.test")
        elif verb == b"MAIL":
            self.mfrom, self.rcpt = self._address(line), ""
            self.say(b"250 2.1.0 Ok")
        elif verb == b"RCPT":
            return self._rcpt(self._address(line))
        elif verb == b"DATA":
            return await self._data()
        elif verb == b"QUIT":
            self.say(b"221 Bye")
            return True
        else:
            self.say(b"250 Ok")
        return False

    @staticmethod
    def _address(line: bytes) -> str:
        found = _ADDRESS.search(line)
        return found[1].decode() if found else ""

    def _rcpt(self, address: str) -> bool:
        self.sink.asked.append((address, time.monotonic()))
        refusal = self._next(self.faults.at_rcpt, address) or self.faults.at_domain.get(address.rpartition("@")[2])
        self.rcpt = "" if refusal else address
        self.say(refusal or b"250 2.1.5 Ok")
        return bool(refusal and refusal.startswith(b"421"))

    @staticmethod
    def _next(replies: dict[str, list[bytes]], address: str) -> bytes | None:
        left = replies.get(address)
        return left.pop(0) if left else None

    async def _data(self) -> bool:
        if not self.rcpt:
            self.say(b"554 5.5.1 No valid recipients")
            return False
        self.say(b"354 Go ahead")
        data = await self.reader.readuntil(b"\r\n.\r\n")
        if refusal := self._next(self.faults.at_dot, self.rcpt):
            self.say(refusal)
            return False
        self.sink.taken.append(Taken(self.mfrom, self.rcpt, data[:-3], time.monotonic()))
        if self.faults.lose_reply.get(self.rcpt, 0) > 0:
            self.faults.lose_reply[self.rcpt] -= 1
            self.writer.transport.abort()
            return True
        if self.faults.dot_delay_s:
            await asyncio.sleep(self.faults.dot_delay_s)
        self.say(b"250 2.0.0 Ok: queued")
        return False


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A mail server that holds nothing yet."""
    one = Sink().start()
    yield one
    one.stop()
