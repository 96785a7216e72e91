"""A mail server far away: it takes everything, and each of its replies comes so much later. ``python -m benches.parts.distant_sink SECONDS``

With PIPELINING the replies to one packet come together, as over a long line; without, each command waits for its own.
"""

from __future__ import annotations

import asyncio
import sys

END = b"\r\n.\r\n"


class DistantSink(asyncio.Protocol):
    """One connection."""

    def __init__(self, delay_s: float, *, is_pipelining: bool) -> None:
        self._delay_s, self._is_pipelining = delay_s, is_pipelining
        self._rest, self._is_text = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = transport
        self._say(b"220 distant.test ESMTP\r\n")

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
        assert isinstance(self._transport, asyncio.Transport)
        asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, words)


async def main(delay_s: float, *, is_pipelining: bool) -> None:
    """Listen on a free port, say which, and serve for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: DistantSink(delay_s, is_pipelining=is_pipelining), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), is_pipelining=sys.argv[2] == "pipelining"))
