"""A mail server that lies, babbles or drips keeps nobody for ever, fills no memory, and loses no mail."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.inbound.mailboxes.imap import opened_imap, quoted
from app.inbound.mailboxes.pop3 import opened_pop3
from app.inbound.mailboxes.steps import MailboxFailed, Steps
from app.inbound.protocol import LARGEST
from app.settings.sections.bounces import Bounces

Answer = Callable[[bytes], bytes]
IMAP: dict[bytes, bytes] = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", b"SELECT": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n",
    b"FETCH": b"* 1 FETCH (UID 3 RFC822.SIZE 10)\r\n", b"AUTHENTICATE": b"", b"LOGIN": b"", b"LOGOUT": b"* BYE\r\n"}
POP3: dict[bytes, bytes] = {b"UIDL": b"+OK\r\n1 a\r\n.\r\n", b"LIST": b"+OK\r\n1 10\r\n.\r\n"}


@contextmanager
def serving(greeting: bytes, answer: Answer) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection after the other, with an answer for each line; yield the port, and what was said."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, greeting, answer, said), daemon=True).start()
        yield listening.getsockname()[1], said


def _serve(listening: socket.socket, greeting: bytes, answer: Answer, said: list[bytes]) -> None:
    while True:
        try:
            client, _ = listening.accept()
            with client, client.makefile("rb") as lines:
                client.sendall(greeting)
                for line in lines:
                    said.append(line.strip())
                    client.sendall(answer(line.strip()))
        except OSError:
            if listening.fileno() < 0:
                return


def imap(**changed: bytes) -> Answer:
    """An IMAP server; ``changed`` by command: what it says instead, with ``%t`` for the tag."""
    told = {name: text + b"%t OK done\r\n" for name, text in IMAP.items()} | {name.encode(): text for name, text in changed.items()}

    def answer(line: bytes) -> bytes:
        tag, _, command = line.partition(b" ")
        if b" AUTHENTICATE PLAIN" in line:
            answer.tag = tag  # type: ignore[attr-defined]
            return b"+ \r\n"
        if not command:
            return getattr(answer, "tag") + b" OK in\r\n"  # noqa: B009 - set above
        name = command.removeprefix(b"UID ").split()[0]
        if b"BODY.PEEK" in line:
            name = b"BODY"
        return told.get(name, b"%t OK done\r\n").replace(b"%t", tag)

    return answer


def pop3(**changed: bytes) -> Answer:
    """A POP3 server; ``changed`` by command: what it says instead."""
    told = POP3 | {name.encode(): text for name, text in changed.items()}
    return lambda line: told.get(line.split()[0], b"+OK\r\n")


def account(protocol: str, port: int) -> Bounces:
    return Bounces(method="mailbox", mailbox_protocol=protocol, mailbox_host="127.0.0.1", mailbox_internal=True, mailbox_port=port, mailbox_security="none",
                   mailbox_user='b"c\\k', mailbox_password="pass word")


def by_imap(port: int, **times: float) -> bytes | None:
    steps = Steps()
    with opened_imap(account("imap", port), steps, **times) as folder, steps.step("Fetch"):  # type: ignore[arg-type]
        first, = folder.after(0, 20)
        return folder.fetch(first.number)


def by_pop3(port: int, **times: float) -> bytes:
    steps = Steps()
    with opened_pop3(account("pop3", port), steps, **times) as (session, listed), steps.step("Fetch"):  # type: ignore[arg-type]
        return session.fetch(listed[0].number)


def test_what_is_right_is_fetched() -> None:
    with serving(b"* OK hi\r\n", imap(BODY=b"* 1 FETCH (UID 3 BODY[] {4}\r\na\r\nb)\r\n%t OK done\r\n")) as (port, _):
        assert by_imap(port) == b"a\r\nb"
    with serving(b"+OK hi\r\n", pop3(RETR=b"+OK\r\na\r\n..\r\n...b\r\nbare\n.\r\n")) as (port, _):
        assert by_pop3(port) == b"a\r\n.\r\n..b\r\nbare\r\n"


@pytest.mark.parametrize(("greeting", "answer", "why"), [
    (b"* BYE too busy\r\n", imap(), "too busy"), (b"220 smtp.test ESMTP\r\n", imap(), "220 smtp.test"), (b"\x00\xff" * 600_000, imap(), "1000000"),
    (b"* OK\r\n", imap(CAPABILITY=b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n%t OK done\r\n"), "takes no password without encryption"),
    (b"* OK\r\n", imap(SELECT=b"%t NO [NONEXISTENT] no such folder\r\n"), "no such folder"), (b"* OK\r\n", imap(SELECT=b"* x EXISTS\r\n%t OK done\r\n"), ""),
    (b"* OK\r\n", imap(FETCH=b"%t BAD what\r\n"), "what"),
    (b"* OK\r\n", imap(BODY=b"* 1 FETCH (UID 3 BODY[] {99999999999}\r\n" + b"x" * 1000), "99999999999"),
    (b"* OK\r\n", imap(BODY=b"* 1 FETCH (UID 3 BODY[] {100}\r\nshort)\r\n%t OK done\r\n"), "in time")])
def test_an_imap_server_that_makes_no_sense_is_left(greeting: bytes, answer: Answer, why: str) -> None:
    with serving(greeting, answer) as (port, _), pytest.raises(MailboxFailed) as failed:
        by_imap(port, answer_s=0.5, whole_s=5.0)
    assert why in failed.value.why


@pytest.mark.parametrize(("greeting", "answer", "why"), [
    (b"-ERR too busy\r\n", pop3(), "too busy"), (b"* OK IMAP\r\n", pop3(), "OK IMAP"), (b"+OK" + b"x" * 5000, pop3(), "cut"),
    (b"+OK\r\n", pop3(UIDL=b"-ERR never heard of it\r\n"), "Use IMAP"), (b"+OK\r\n", pop3(UIDL=b"+OK\r\nx y\r\n.\r\n", LIST=b"+OK\r\nx y\r\n.\r\n"), ""),
    (b"+OK\r\n", pop3(RETR=b"+OK\r\n" + b"x" * (LARGEST + 10)), "more than it had said"),
    (b"+OK\r\n", pop3(RETR=b"+OK\r\n" + b"x\r\n" * (LARGEST // 3 + 10)), "more than it had said"), (b"+OK\r\n", pop3(RETR=b"+OK\r\nshort"), "in time")])
def test_a_pop3_server_that_makes_no_sense_is_left(greeting: bytes, answer: Answer, why: str) -> None:
    with serving(greeting, answer) as (port, _), pytest.raises(MailboxFailed) as failed:
        by_pop3(port, answer_s=0.5, whole_s=5.0)
    assert why in failed.value.why


@pytest.mark.parametrize("fetch", [by_imap, by_pop3])
def test_a_server_that_drips_is_cut_when_the_whole_time_is_up(fetch: Callable[..., bytes | None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_drip, args=(listening,), daemon=True).start()
        with pytest.raises(MailboxFailed):
            fetch(listening.getsockname()[1], answer_s=5.0, whole_s=0.5)


def _drip(listening: socket.socket) -> None:
    client, _ = listening.accept()
    with client:
        try:
            while True:
                client.sendall(b"+")
                time.sleep(0.05)
        except OSError:
            return


def test_a_server_without_authenticate_gets_user_name_and_password_in_quotation_marks() -> None:
    old = b"* CAPABILITY IMAP4rev1\r\n%t OK done\r\n"
    with serving(b"* OK\r\n", imap(CAPABILITY=old, BODY=b"* 1 FETCH (UID 3 BODY[] {1}\r\na)\r\n%t OK done\r\n")) as (port, said):
        assert by_imap(port) == b"a"
    assert [line.partition(b" ")[2] for line in said if b"LOGIN" in line] == [b'LOGIN "b\\"c\\\\k" "pass word"']


@pytest.mark.parametrize(("folder", "sent"), [
    ("INBOX", '"INBOX"'), ("Sent & done", '"Sent &- done"'), ("Entwürfe", '"Entw&APw-rfe"'), ("台北", '"&U,BTFw-"'),
    ('a"b\\c', '"a\\"b\\\\c"'), ("~peter/mail/台北", '"~peter/mail/&U,BTFw-"')])
def test_a_folder_is_named_as_imap_names_it(folder: str, sent: str) -> None:
    assert quoted(folder) == sent
    assert re.fullmatch(r'"[ -~]+"', sent)
