"""The listener: takes any mail, answers 250 once the database has it, and never passes anything on.

Writes are grouped: while one transaction commits, the mails that arrive wait together for the next, so that a thousand mails cost a
handful of commits and each sender still hears 250 only after its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any

import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy.exc import SQLAlchemyError

from app.db import table_of, utcnow, writing
from app.delivery.models import TestMail
from app.house import House
from app.mail.mfrom import read_mfrom

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
# Bytes. A MariaDB as it comes from its maker takes statements of 16 MiB, in which each byte of a mail is written as two digits.
LARGEST = 7 * 1024 * 1024
AT_ONCE = 200
_LONGEST_LINE = 65_536
_KEPT = "250 2.0.0 Kept in the test mailbox"
_LATER = "451 4.3.0 The mailbox cannot be written now; try again"


class _Server(SMTP):
    # Real mail has longer lines than the RFC allows; a mailbox for looking at mail must show them, not refuse them.
    line_length_limit = _LONGEST_LINE


class MailboxController(Controller):
    """aiosmtpd's controller with our longer lines; always on the loopback, whatever the pages listen on."""

    def factory(self) -> SMTP:
        """Return the protocol of one connection."""
        return _Server(self.handler, hostname="mailbox.test", data_size_limit=LARGEST, enable_SMTPUTF8=True)


class Mailbox:
    """aiosmtpd's handler: every recipient is accepted, every mail is a row."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[str]]] = []
        self._is_writing = False
        self._writer: asyncio.Future[None] | None = None

    async def handle_DATA(self,  # noqa: N802 - aiosmtpd looks for this name
                          _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Answer 250 after the commit; 451 where the database does not take it, so that the sender tries again."""
        loop = asyncio.get_running_loop()
        answers = []
        for recipient in envelope.rcpt_tos:
            answer: asyncio.Future[str] = loop.create_future()
            self._waiting.append((self._row(envelope.mail_from or "", recipient, _bytes(envelope.content)), answer))
            answers.append(answer)
        if not self._is_writing:
            self._is_writing = True
            self._writer = asyncio.ensure_future(self._write_all())
        return (await asyncio.gather(*answers))[0]

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                answers = await asyncio.get_running_loop().run_in_executor(None, self._write, [row for row, _ in taken])
                for (_, future), answer in zip(taken, answers, strict=True):
                    if not future.done():  # Who hung up meanwhile hears nothing.
                        future.set_result(answer)
        finally:
            self._is_writing = False

    def _write(self, rows: Sequence[dict[str, Any]]) -> list[str]:
        """Write the mails, all at once or else each alone, so that one that cannot be kept keeps no other out; return the answers."""
        try:
            with writing(self._house.engine) as connection:
                connection.execute(sa.insert(table_of(TestMail)), rows)
        except (SQLAlchemyError, ValueError):
            if len(rows) > 1:
                return [answer for row in rows for answer in self._write([row])]
            log.exception("the test mailbox could not keep a mail", extra={"size_bytes": rows[0]["size_bytes"]})
            return [_LATER]
        return [_KEPT] * len(rows)

    def _row(self, mfrom: str, recipient: str, source: bytes) -> dict[str, Any]:
        head = BytesHeaderParser(policy=compat32).parsebytes(source)
        token = read_mfrom(mfrom)
        ledger_id = self._house.tokens.read("mfrom", token) if token else None
        return {"mfrom": _text(mfrom)[:320], "rcpt_to": _text(recipient)[:320], "subject": _shown(head["Subject"])[:500], "sender": _shown(head["From"])[:320],
                "source": source, "size_bytes": len(source), "seen": False, "arrived_at": utcnow(),
                "sending_id": ledger_id.sending_id if ledger_id else None, "position": ledger_id.position if ledger_id else None}


def _shown(value: Any) -> str:
    """Return a header as people read it; what cannot be decoded is shown as it came."""
    try:
        words = str(make_header(decode_header(str(value or ""))))
    except (LookupError, ValueError, MessageError):
        words = str(value)
    return _text(words.replace("\n", " ").replace("\r", " "))


def _text(words: str) -> str:
    """Return the words as a database can keep them: bytes that are no character become question marks."""
    return words.encode("utf-8", "replace").decode()


def _bytes(content: bytes | str | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""
