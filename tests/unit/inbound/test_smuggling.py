"""A mail inside a mail: only CRLF.CRLF ends one, and whatever another server could take for an end is refused."""

from __future__ import annotations

import pytest

from app.inbound.spool import Spool
from tests.unit.inbound.wire import Wire

HEAD = b"Subject: outer\r\n\r\nouter"
INNER = b"MAIL FROM:<ceo@bank.test>\r\nRCPT TO:<postmaster>\r\nDATA\r\nSubject: inner\r\n\r\ninner\r\n.\r\n"
REFUSED = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n", "CRLF.LF": b"\r\n.\n", "CRLF.CR": b"\r\n.\r",
    "CR.LF": b"\r.\n", "LF.CR": b"\n.\r", "LFCR.LFCR": b"\n\r.\n\r", "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n", "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "LFLF.LFLF": b"\n\n.\n\n",
    "CRLF.LFCRLF": b"\r\n.\n\r\n", "CR alone": b"\rx\r\n", "LF alone": b"\nx\r\n", "CRLF NUL LF.CRLF": b"\r\n\x00\n.\r\n",
}
# No line end is bare in these; they are text like any other.
TEXT = {"CRLF NUL.CRLF": b"\r\n\x00.\r\n", "CRLF. CRLF": b"\r\n. \r\n", "CRLF.NULCRLF": b"\r\n.\x00\r\n", "CRLF..CRLF": b"\r\n..\r\n", "VT": b"\r\n.\x0b\r\n",
        "NEL": b"\xc2\x85.\xc2\x85", "LS": b"\xe2\x80\xa8.\xe2\x80\xa8"}


def smuggled(wire: Wire, end: bytes) -> list[str]:
    """Say a mail with another one behind a look-alike of its end; return every reply behind DATA."""
    wire.say(b"MAIL FROM:<a@b.test>")
    wire.say(b"RCPT TO:<postmaster>")
    wire.say(b"DATA")
    wire.send(HEAD + end + INNER)
    replies = [wire.reply()]
    wire.send(b"QUIT\r\n")
    while replies[-1] and not replies[-1].startswith("221"):
        replies.append(wire.reply())
    return replies


@pytest.mark.parametrize("end", REFUSED.values(), ids=REFUSED)
def test_a_look_alike_is_refused_with_all_that_is_behind_it(wire: Wire, spool: Spool, end: bytes) -> None:
    assert smuggled(wire, end) == ["550 5.6.11 The mail holds a CR or LF that is no line end", "221 Bye"]
    assert spool.waiting() == []


@pytest.mark.parametrize("end", TEXT.values(), ids=TEXT)
def test_text_that_looks_like_an_end_is_text(wire: Wire, spool: Spool, end: bytes) -> None:
    first, *others = smuggled(wire, end)
    assert first.startswith("250")
    assert others == ["221 Bye"]
    name, = spool.waiting()
    with spool.take(name) as taken:
        assert taken is not None
        assert b"MAIL FROM:<ceo@bank.test>" in taken.data, "what seemed to be a second mail is text of the first"


def test_the_end_itself_in_any_pieces_is_one_end(wire: Wire, spool: Spool) -> None:
    for cut in range(1, 5):
        wire.say(b"MAIL FROM:<a@b.test>")
        wire.say(b"RCPT TO:<postmaster>")
        wire.say(b"DATA")
        whole = b"mail %d\r\n.\r\n" % cut
        wire.send(whole[:-cut])
        # Long enough for the server to have read the first piece.
        assert not spool.waiting()[cut - 1:]
        wire.send(whole[-cut:])
        assert wire.reply().startswith("250")
    assert len(spool.waiting()) == 4
