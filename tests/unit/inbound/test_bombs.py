"""Mails made to break a parser: each is read within 1 s and 200 MiB, in a process of its own that may not have more."""

from __future__ import annotations

import subprocess
import sys

import pytest

BOMBS = {
    "nested": "b''.join(b'Content-Type: multipart/mixed; boundary=\"b%d\"\\n\\n--b%d\\n' % (i, i) for i in range(1000))",
    "nested messages": "b'Content-Type: message/rfc822\\n\\n' * 1000",
    "many parts": "b'Content-Type: multipart/mixed; boundary=b\\n\\n' + b'--b\\n\\nx\\n' * 50000",
    "folded header": "b'Subject: a\\n' + b' ' * 10 + b'x\\n ' * 1700000",
    "rfc 2231": "b'Content-Type: text/plain' + b''.join(b';\\n a*%d*=x' % i for i in range(90000)) + b'\\n\\n'",
    "rfc 2231 in a part": "b'Content-Type: multipart/mixed; boundary=b\\n\\n--b\\nContent-Type: text/plain' "
    "+ b''.join(b'; a*%d*=x' % i for i in range(90000)) + b'\\n\\n'",
    "encoded words": "b'Subject: ' + b'=?utf-8?q?x?= ' * 90000 + b'\\n\\n'",
    "encoded words in a bounce": "b'From: mailer-daemon@a.example\\nSubject: ' + b'=?utf-8?q?x?= ' * 1000 + b'\\n\\nundeliverable\\n'",
    "one long line": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\ncould not be delivered ' + b'a' * 250000",
    "at signs": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\ncould not be delivered ' + b'a@' * 120000",
    "open tags": "b'Content-Type: text/html\\nFrom: mailer-daemon@a.example\\nSubject: failure notice\\n\\n' + b'<' * 250000",
    "style sheets": "b'Content-Type: text/html\\nFrom: mailer-daemon@a.example\\nSubject: failure notice\\n\\n' + b'<style>' * 35000",
    "blanks behind a colon": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\ncould not be delivered: ' + b' ' * 250000",
    "replies": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\ncould not be delivered\\n' + b'550 \\n ' * 40000",
    "dashes": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\ncould not be delivered\\n' + (b'-' * 80 + b'\\n') * 3000",
    "headers in a text": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\ncould not be delivered\\n' + b'  a: b\\n   c\\n' * 20000",
    "commands": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\nundeliverable\\n' + b'>>> RCPT TO:<a@b.example>\\n' * 9000",
    "recipients": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\nundeliverable\\n' + b'<a@b.example>: 550 user\\n' * 9000",
    "words of a rule": "b'From: mailer-daemon@a.example\\nSubject: failure notice\\n\\nundeliverable\\n' + b'user ' * 50000",
    "lost boundaries": "b'Content-Type: multipart/mixed\\n\\n' + b''.join(b'--b%d\\nContent-Type: text/plain\\n\\n' % i for i in range(8000))",
    "many groups": "b'Content-Type: message/delivery-status\\n\\n' + b'Final-Recipient: rfc822; a@b.example\\nAction: failed\\n\\n' * 4000",
    "quotes": "b'Content-Type: text/plain; a=' + b'\"' * 16000 + b'\\n\\n'",
}
PROGRAM = """
import sys, time
sys.path.insert(0, ".")
from app.inbound.read import read
raw = {bomb}
def most():
    # Not ru_maxrss: a child's begins at its parent's.
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024
before = most()
begun = time.process_time()
kind = read(raw).kind
print(kind, time.process_time() - begun, most() - before)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_no_harm(name: str) -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM.format(bomb=BOMBS[name])], capture_output=True, text=True, check=True, timeout=60)
    _, seconds, mebibytes = run.stdout.split()
    assert float(seconds) < 1
    assert float(mebibytes) < 200
    assert "Traceback" not in run.stderr
