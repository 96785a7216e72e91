"""A TCP proxy that is a bad network on demand: slow, cut, or half open, where neither side hears of the other any more."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class FlakyTcp:
    """Stands before one server, on a port of its own. Its attributes may be changed at any moment.

    ``latency_s``: each piece is passed on so much later. ``is_half_open``: nothing is passed on, in either direction, and nobody is told.
    ``refuses``: new connections are closed at once.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self.latency_s = 0.0
        self.is_half_open = self.refuses = False
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # Closed.
            if self.refuses:
                near.close()
                continue
            try:
                far = self._reach()
            except OSError:
                near.close()
                continue
            pair = (near, far)
            self._pairs.add(pair)
            for source, to in (pair, pair[::-1]):
                threading.Thread(target=self._pass_on, args=(source, to, pair), daemon=True).start()

    def _reach(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target, 5)
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._target)
        return far

    def _pass_on(self, source: socket.socket, to: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if self.latency_s:
                    time.sleep(self.latency_s)
                while self.is_half_open:
                    time.sleep(0.02)
                to.sendall(data)
        self._end(pair)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.discard(pair)
        for one in pair:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def cut(self) -> int:
        """Cut every connection; return how many there were."""
        pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)
        return len(pairs)

    def close(self) -> None:
        """Cut everything and listen no more."""
        self._listener.close()
        self.is_half_open = False
        self.cut()


@contextlib.contextmanager
def before(target: tuple[str, int] | str) -> Iterator[FlakyTcp]:
    """Put a proxy before a server (a host and port, or the path of a socket) for the length of the block."""
    proxy = FlakyTcp(target)
    try:
        yield proxy
    finally:
        proxy.close()
