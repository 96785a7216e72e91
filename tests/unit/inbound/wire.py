"""A client that says any bytes at all to the inbound server, and the server in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.inbound.listener import Certificate, Intake, listen_lmtp, listen_smtp
from app.inbound.policy import Known
from app.inbound.protocol import Doorkeeper
from app.inbound.spool import Spool
from launch.ports import free_port

HOST = "127.0.0.1"


class Wire:
    """One connection. A reply is all its lines, without the line ends of the wire."""

    def __init__(self, port: int, hello: bytes = b"EHLO client.test") -> None:
        self._socket = socket.create_connection((HOST, port), timeout=20)
        self._replies = self._socket.makefile("rb")
        self.greeting = self.reply()
        self.offered = self.say(hello) if self.greeting.startswith("220") and hello else ""

    def say(self, line: bytes, end: bytes = b"\r\n") -> str:
        """Say a line and return the reply."""
        self.send(line + end)
        return self.reply()

    def send(self, data: bytes) -> None:
        """Say bytes, and do not wait for a reply."""
        self._socket.sendall(data)

    def reply(self) -> str:
        """Return the next reply; empty where the server hung up."""
        lines = [self._line()]
        while lines[-1][3:4] == "-":
            lines.append(self._line())
        return "\n".join(lines)

    def rcpt(self, address: str) -> str:
        """Begin a mail to somebody, and forget it; return the reply to RCPT."""
        self.say(b"RSET")
        self.say(b"MAIL FROM:<>")
        return self.say(f"RCPT TO:<{address}>".encode())

    def post(self, data: bytes, to: Sequence[str] = ("postmaster",), mfrom: str = "") -> str:
        """Hand over a mail; return the reply to its end, or the first one that refuses."""
        said = [self.say(f"MAIL FROM:<{mfrom}>".encode()), *(self.say(f"RCPT TO:<{one}>".encode()) for one in to)]
        if refused := [one for one in said if not one.startswith("250")]:
            return refused[0]
        assert self.say(b"DATA").startswith("354")
        stuffed = (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:]
        return self.say(stuffed + b".")

    def wrap(self, context: ssl.SSLContext, name: str) -> None:
        """Go on under TLS."""
        self._replies.close()
        self._socket = context.wrap_socket(self._socket, server_hostname=name)
        self._replies = self._socket.makefile("rb")

    def is_closed(self) -> bool:
        """Whether the server hung up, and said nothing more."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Hang up."""
        self._replies.close()
        self._socket.close()

    def _line(self) -> str:
        return self._replies.readline().decode().rstrip("\r\n")


def certificate_of(name: str, folder: Path) -> tuple[Path, Path]:
    """Make a certificate for a host that signs itself; return its file and its key's."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(chain)], check=True, capture_output=True)
    return chain, key


@contextmanager
def listening(ours: Callable[[], Known], spool: Spool, *, lmtp: bool = False, doorkeeper: Doorkeeper | None = None,
              certificate: Certificate | None = None) -> Iterator[int]:
    """Run the server in a thread for the block, and give its port."""
    port, loop = free_port(), asyncio.new_event_loop()
    doorkeeper, certificate = doorkeeper or Doorkeeper(), certificate or Certificate(None, None)
    intake = Intake(ours, spool, "lmtp" if lmtp else "smtp")
    opening = listen_lmtp(intake, HOST, port, "mx.test") if lmtp else listen_smtp(intake, HOST, port, "mx.test", certificate, doorkeeper)
    server = loop.run_until_complete(opening)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
