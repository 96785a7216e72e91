"""Mails made to break a reader, and what each costs it: ``python -m benches.parts.inbound_bombs NAME`` reads one in a process of its own.

A bomb is read as a worker reads it: taken apart, its kind and reason found, and its signature looked at where it is a complaint.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from app.inbound import vouching
from app.inbound.read import read

# The largest mail that is taken in.
LARGEST = 10 * 1024 * 1024
_DAEMON = b"From: mailer-daemon@a.example\r\nSubject: failure notice\r\n"
_COMPLAINT = (b"From: f@arf.mail.yahoo.com\r\nDKIM-Signature: v=1; a=rsa-sha256; d=arf.mail.yahoo.com; s=x; c=relaxed/relaxed; h=from; bh=AAAA; b=AAAA\r\n"
              b"Content-Type: multipart/report; boundary=B\r\n\r\n--B\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--B--\r\n")


def _nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(depth))


BOMBS: dict[str, Callable[[], bytes]] = {
    "nested multiparts": lambda: _nested(20_000),
    "nested as deep as is read": lambda: _nested(19) + b"x\r\n" * 80_000,
    "many parts": lambda: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 900_000,
    "nested messages": lambda: b"Content-Type: message/rfc822\r\n\r\n" * 300_000,
    "a huge header": lambda: b"Subject: " + b"a" * LARGEST,
    "many headers": lambda: b"X-A: b\r\n" * 1_200_000 + b"\r\n",
    "a folded header": lambda: b"Subject: a\r\n" + b" x\r\n" * 2_000_000,
    "parameters in pieces": lambda: b"Content-Type: text/plain" + b"".join(b";\r\n a*%d*=utf-8''%%41" % at for at in range(300_000)) + b"\r\n\r\n",
    "encoded words": lambda: _DAEMON.replace(b"failure", b"=?utf-8?q?x?= " * 1_100) + b"\r\ncould not be delivered\r\n",
    "one long line": lambda: _DAEMON + b"\r\ncould not be delivered " + b"a" * LARGEST,
    "at signs": lambda: _DAEMON + b"\r\ncould not be delivered " + b"a@" * 5_000_000,
    "base64 without end": lambda: _DAEMON + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUFB" * 2_500_000,
    "quoted-printable": lambda: _DAEMON + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=41=\r\n" * 1_600_000,
    "carriage returns alone": lambda: (_DAEMON + b"\r\n" + b"could not be delivered\r\n" * 400_000).replace(b"\r\n", b"\r"),
    "zeros": lambda: _DAEMON + b"\r\ncould not be delivered" + b"\0" * LARGEST,
    "open tags": lambda: _DAEMON + b"Content-Type: text/html\r\n\r\n" + b"<" * LARGEST,
    "groups of a report": lambda: (
        b"Content-Type: message/delivery-status\r\n\r\n" + b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n" * 180_000),
    "boundaries that are none": lambda: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bb\r\n--\r\n" * 900_000,
    "lines under a signature": lambda: _COMPLAINT + b"\r\n" * 5_000_000,
    "blanks under a signature": lambda: _COMPLAINT + b" " * 9_000_000 + b"x",
}


def _most_mib() -> float:
    """The most memory that this process ever held; ru_maxrss of a child would begin at its parent's."""
    return int(Path("/proc/self/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024


def explode(name: str) -> dict[str, float]:
    """Read one; return the processor's seconds, and the most memory that the process ever held, in MiB, with the program and the mail itself."""
    vouching.txt_records = lambda _name: ["v=DKIM1; p=AAAA"]  # type: ignore[assignment]
    raw = BOMBS[name]()[:LARGEST]
    began = time.process_time()
    if read(raw).kind == "complaint":
        vouching.is_vouched(raw, ("arf.mail.yahoo.com",))
    return {"seconds": time.process_time() - began, "mib": _most_mib()}


def explode_all(names: Iterable[str]) -> dict[str, dict[str, float]]:
    """Read each of these in a process of its own."""
    found = {}
    for name in names:
        run = subprocess.run([sys.executable, "-m", "benches.parts.inbound_bombs", name], capture_output=True, text=True, check=True, timeout=120)
        found[name] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(explode(sys.argv[1])) + "\n")
