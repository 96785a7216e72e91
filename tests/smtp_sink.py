"""A mail server for tests of the protocol: it fails on demand, and keeps a true record of what it took responsibility for.

A face of ``tests/services/fault_sink.py``. A fault is set by changing ``sink.faults`` before or between mails.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.services.fault_sink import CUT, Fault, Server, Talk, Thread, undotted


@dataclass
class Faults:
    """What goes wrong. ``replies``: verb (BANNER, EHLO, MAIL, RCPT, DATA, DOT, …) or (verb, text in the command) -> the answer instead.

    An answer that begins with 421 closes the connection after it; "CUT" closes without one; "STALL" never answers. ``times`` limits how
    often a verb's fault happens. AFTER_DOT: the mail is taken, and the connection is cut before anybody hears so.
    """

    replies: dict[str | tuple[str, str], str] = field(default_factory=dict)
    times: dict[str | tuple[str, str], int] = field(default_factory=dict)
    cut_in_body_after: int | None = None
    split_replies: bool = False
    reads_no_body: bool = False
    injected_after_starttls: bytes = b""


@dataclass
class Sink(Server):
    """The server: what it offers, how it fails, what it saw."""

    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    # The most commands that were waiting unanswered in one packet: more than one only where the client pipelines.
    packets: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = Faults()

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self.cut_in_body_after, self.reads_no_body = faults.cut_in_body_after, faults.reads_no_body
        self.drip_s = 0.0 if faults.split_replies else None
        self.injected_after_starttls = faults.injected_after_starttls

    @property
    def recipients(self) -> list[str]:
        """Who got mail, in order, with doubles."""
        return [recipient for _, recipient, _ in self.taken]

    def fault(self, verb: str, text: str) -> Fault | None:
        """Return what stands in ``faults`` for this moment."""
        verb = "AFTER_DOT" if verb == "TAKEN" else verb
        for key, answer in self.faults.replies.items():
            if key == verb or (isinstance(key, tuple) and key[0] == verb and key[1] in text):
                left = self.faults.times.get(key, -1)
                if left:
                    self.faults.times[key] = left - 1
                    return Fault(CUT if verb == "AFTER_DOT" else answer)
        return None

    def heard(self, line: str) -> None:
        """Keep the command."""
        self.commands.append(line)

    def hears(self, command: str, times: int = 1, seconds: float = 10) -> bool:
        """Wait until this command came so often; return whether it did. What a client does not wait for, as QUIT, may be on its way still."""
        deadline = time.monotonic() + seconds
        while self.commands.count(command) < times and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.commands.count(command) >= times

    def arrived(self, data: bytes) -> None:
        """Keep the packet."""
        self.packets.append(data)

    def took(self, mfrom: str, rcpt: str, data: bytes, _of: Talk) -> None:
        """Keep the mail, as its author wrote it."""
        self.taken.append((mfrom, rcpt, undotted(data)))


@contextmanager
def running(sink: Sink) -> Iterator[Sink]:
    """Run the sink for the length of the block."""
    thread = Thread(sink)
    thread.start()
    try:
        yield sink
    finally:
        thread.stop()


def self_made_certificate(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS with a certificate that nobody signed, and the file that a client would have to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    try:
        known_as: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        known_as = x509.DNSName(host)
    now = datetime.now(UTC)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName([known_as]), critical=False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()))
    file = folder / "certificate.pem"
    private = folder / "key.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return context, file
