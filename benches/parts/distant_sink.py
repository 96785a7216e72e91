"""A mail server far away: it takes everything, and each of its replies comes so much later. ``python -m benches.parts.distant_sink SECONDS WAY``

With PIPELINING the replies to one packet come together, as over a long line; without, each command waits for its own. Each reply has a
timer of its own: connections do not wait for each other. (Timers end up to a millisecond late, which counts against the sender.)

It prints its port; for each line on its input it prints how many mails it has answered for, and how many connections it has had at
once, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass

END = b"\r\n.\r\n"


@dataclass(slots=True)
class Tally:
    """What the server has seen; a mail counts when its reply leaves."""

    taken: int = 0
    connections: int = 0
    most_connections: int = 0


class DistantSink(asyncio.Protocol):
    """One connection."""

    def __init__(self, delay_s: float, tally: Tally, *, is_pipelining: bool) -> None:
        self._delay_s, self._tally, self._is_pipelining = delay_s, tally, is_pipelining
        self._rest, self._is_text, self._taken = b"", False, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = transport
        self._tally.connections += 1
        self._tally.most_connections = max(self._tally.most_connections, self._tally.connections)
        self._say(b"220 distant.test ESMTP\r\n")

    def connection_lost(self, _exc: Exception | None) -> None:
        """Say nothing more."""
        self._tally.connections -= 1

    def data_received(self, data: bytes) -> None:
        """Answer each command and each text that is whole, all of them at once and later."""
        self._rest += data
        said = b""
        while (reply := self._next()) is not None:
            said += reply
        if said:
            self._say(said)

    def _next(self) -> bytes | None:
        mark = END if self._is_text else b"\r\n"
        if self._is_text and self._rest.startswith(b".\r\n"):
            mark = b".\r\n"
        line, found, rest = self._rest.partition(mark)
        if not found:
            return None
        self._rest = rest
        if self._is_text:
            self._is_text = False
            self._taken += 1
            return b"250 2.0.0 Ok\r\n"
        return self._answer(line[:4].upper())

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            return b"250-distant.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n" if self._is_pipelining else b"250-distant.test\r\n250 8BITMIME\r\n"
        if verb == b"DATA":
            self._is_text = True
            return b"354 Go ahead\r\n"
        return b"221 2.0.0 Bye\r\n" if verb == b"QUIT" else b"250 2.0.0 Ok\r\n"

    def _say(self, words: bytes) -> None:
        taken, self._taken = self._taken, 0
        asyncio.get_running_loop().call_later(self._delay_s, self._reply, words, taken)

    def _reply(self, words: bytes, taken: int) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        if not self._transport.is_closing():
            self._transport.write(words)
            self._tally.taken += taken


def _answer_input(tally: Tally, over: asyncio.Event) -> None:
    """Say how far it is; the end of the input ends the server."""
    if os.read(sys.stdin.fileno(), 100):
        print(json.dumps({"taken": tally.taken, "most_connections": tally.most_connections}), flush=True)
    else:
        over.set()


async def main(delay_s: float, *, is_pipelining: bool) -> None:
    """Listen on a free port, say which, and serve until the input ends."""
    loop, tally, over = asyncio.get_running_loop(), Tally(), asyncio.Event()
    server = await loop.create_server(lambda: DistantSink(delay_s, tally, is_pipelining=is_pipelining), "127.0.0.1", 0)
    loop.add_reader(sys.stdin.fileno(), _answer_input, tally, over)
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), is_pipelining=sys.argv[2] == "pipelining"))
