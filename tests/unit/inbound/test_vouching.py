"""Who vouches for a complaint that names an address only: a listed feedback loop's own signature, and nothing that merely looks like one."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.inbound import vouching
from app.inbound.vouching import is_vouched

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
REPORT = (b"From: feedback@arf.mail.yahoo.com\r\nTo: fbl@example.com\r\nSubject: FW: Hi\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: multipart/report; report-type=feedback-report; boundary=B\r\n\r\n--B\r\nContent-Type: message/feedback-report\r\n\r\n"
          b"Feedback-Type: abuse\r\nOriginal-Rcpt-To: ada@one.example\r\n\r\n--B--\r\n")
LISTED = ("arf.mail.yahoo.com",)


def record(_name: str) -> list[str]:
    """The key, as DNS has it."""
    written = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return ["v=DKIM1; k=rsa; p=" + "".join(written.split("\n")[1:-2])]


def signed(domain: str, report: bytes = REPORT) -> bytes:
    """The report with its signature."""
    return dkim.sign(report, b"s1", domain.encode(), PEM, include_headers=[b"From", b"To", b"Subject"]) + report  # type: ignore[no-any-return]


def test_a_listed_loops_own_signature_vouches_and_a_strangers_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vouching, "txt_records", lambda _name: [])
    assert not is_vouched(signed("arf.mail.yahoo.com"), LISTED)
    monkeypatch.setattr(vouching, "txt_records", record)
    assert is_vouched(signed("arf.mail.yahoo.com"), LISTED)
    assert is_vouched(signed("sub.arf.mail.yahoo.com"), LISTED)
    assert not is_vouched(signed("evil.example"), LISTED)
    assert not is_vouched(signed("notarf.mail.yahoo.com.evil.example"), LISTED)
    assert not is_vouched(REPORT, LISTED)
    assert not is_vouched(signed("arf.mail.yahoo.com").replace(b"ada@", b"ben@"), LISTED)
    assert not is_vouched(signed("arf.mail.yahoo.com"), ())


# Headers and body of mails that are made to cost the library's time or memory.
BOMBS = {
    "line ends": (b"", b"\r\n" * 5_000_000), "blanks": (b"", b" " * 9_000_000 + b"x"), "a few blanks": (b"", (b" " * 127 + b"x") * 2000),
    "tabs": (b"", b"\t" * 260_000 + b"x"), "words": (b"", b"a  " * 85_000), "lines": (b"", b"a \r\n" * 60_000),
    "many headers": (b"x: y\r\n" * 40_000, b""), "a folded one": (b"x: y\r\n" + b" \r\n " * 60_000 + b"z\r\n", b"")}
SIGNATURE = (b"DKIM-Signature: v=1; a=rsa-sha256; d=arf.mail.yahoo.com; s=x; c=relaxed/relaxed; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; "
             b"b=AAAA\r\n")


def explode() -> None:
    """Look at each, and say what it cost: seconds of processor, and MiB so far."""
    vouching.txt_records = record  # type: ignore[assignment]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, (headers, body) in BOMBS.items():
        raw = b"From: a@b.example\r\n" + 5 * SIGNATURE + headers + b"\r\n" + body
        begun = time.process_time()
        assert not is_vouched(raw, LISTED)
        used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        sys.stdout.write(f"{name}: {time.process_time() - begun} {used}\n")


def test_signatures_on_bombs_do_no_harm() -> None:
    program = "from tests.unit.inbound.test_vouching import explode; explode()"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    costs = {line.partition(":")[0]: tuple(map(float, line.partition(":")[2].split())) for line in said}
    assert set(costs) == set(BOMBS)
    assert {name: cost for name, cost in costs.items() if cost[0] >= 1 or cost[1] >= 200} == {}
