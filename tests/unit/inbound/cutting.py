"""A wire between a client and a server that is cut at a chosen moment, and that can hide what the server says it can do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Cut:
    """Cut at the command with this number, the first being 1; ``before`` it reaches the server, or after it did and before its answer is heard.

    ``hides`` is taken out of what the server says. ``commands`` are those that were said.
    """

    at: int = 0
    before: bool = True
    hides: tuple[bytes, ...] = ()
    commands: list[bytes] = field(default_factory=list)
    is_cut: bool = False

    def passes(self, command: bytes) -> bool:
        """Note a command; return whether the server gets it."""
        self.commands.append(command.strip())
        if len(self.commands) == self.at:
            self.is_cut = True
            return not self.before
        return True


@contextmanager
def wire_to(port: int, cut: Cut) -> Iterator[int]:
    """Listen on a port of our own for the length of the block, and hand every connection on to the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_take, args=(listening, port, cut), daemon=True).start()
        yield listening.getsockname()[1]


def _take(listening: socket.socket, port: int, cut: Cut) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(client, socket.create_connection(("127.0.0.1", port)), cut), daemon=True).start()


def _carry(client: socket.socket, server: socket.socket, cut: Cut) -> None:
    answers = threading.Thread(target=_answers, args=(client, server, cut), daemon=True)
    answers.start()
    with client, server, client.makefile("rb") as said:
        for line in said:
            if cut.passes(line):
                server.sendall(line)
            if cut.is_cut:
                if not cut.before:
                    # The server is to have done it.
                    server.shutdown(socket.SHUT_WR)
                    answers.join(10)
                return
        server.shutdown(socket.SHUT_WR)
        answers.join(10)


def _answers(client: socket.socket, server: socket.socket, cut: Cut) -> None:
    with server.makefile("rb") as said:
        for line in said:
            for hidden in cut.hides:
                line = line.replace(hidden, b"")
            if cut.is_cut:
                continue
            try:
                client.sendall(line)
            except OSError:
                return
