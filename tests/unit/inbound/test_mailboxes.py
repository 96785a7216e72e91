"""Mail is fetched from a real Dovecot: every mail once, whatever breaks, and out of the mailbox only when it is in the spool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.db import reading, writing
from app.delivery.clock import db_now
from app.house import House
from app.inbound.mailboxes import fetching, poll
from app.inbound.mailboxes.account import BOUNCES, COMPLAINTS, SECTIONS
from app.inbound.mailboxes.check import test_mailbox as check_mailbox
from app.inbound.mailboxes.state import MAILBOXES, due_mailboxes, said_again
from app.inbound.protocol import LARGEST
from app.inbound.spool import Spool, Taken
from app.settings.sections.email_delivery import EmailDelivery
from tests.services.dovecot import PASSWORD, USER, Dovecot
from tests.unit.inbound import test_spool
from tests.unit.inbound.cutting import Cut, wire_to

WAYS = ["imap", "pop3"]


def mail(number: int, head: bytes = b"") -> bytes:
    return b"Return-Path: <>\r\n" + head + b"Subject: Returned %d\r\n\r\n.A dot, a long line: %s\r\n\xff\r\n" % (number, b"x" * 5000)


@dataclass
class Post:
    """A house that fetches from this Dovecot."""

    house: House
    dovecot: Dovecot
    number: int = BOUNCES
    rung: int = 0

    def set(self, protocol: str = "imap", security: str = "none", **changes: Any) -> None:
        """Say where the mailbox is; in clear where nothing else is said."""
        port = self.dovecot.ports[protocol + ("s" if security == "tls" else "")]
        wanted = {"method": "mailbox", "mailbox_protocol": protocol, "mailbox_host": "localhost", "mailbox_port": port, "mailbox_internal": True,
                  "mailbox_security": security, "mailbox_user": USER, "mailbox_password": PASSWORD}
        self.house.settings.save(SECTIONS[self.number], wanted | changes, based_on=None, by="test", via="test")

    def look(self) -> bool:
        """Let the time pass until the mailbox is due, and look into it; return whether there is more."""
        with writing(self.house.engine) as connection:
            connection.execute(sa.update(MAILBOXES).values(looked_at=None))
        return poll.poll(self.house, self.number, self._ring)

    def _ring(self) -> None:
        self.rung += 1

    @property
    def row(self) -> Any:
        with reading(), self.house.engine.connect() as connection:
            return connection.execute(sa.select(MAILBOXES).where(MAILBOXES.c.number == self.number)).one()

    @property
    def error(self) -> str:
        return str(said_again(self.row.error) or "")

    def taken(self) -> list[Taken]:
        """Take everything out of the spool, as its reader does."""
        spool = Spool(self.house.config.data)
        found = [test_spool.opened(spool, name) for name in spool.waiting()]
        for one in found:
            spool.done(one.name)
        return found

    def is_due(self) -> bool:
        return self.number in due_mailboxes(self.house.engine, self.house.settings.load())


@pytest.fixture
def post(app: Flask, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> Post:
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.certificate))
    return Post(app.extensions["lettermill"], dovecot)


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("protocol", WAYS)
def test_a_mail_comes_as_it_is_and_leaves_the_mailbox(post: Post, protocol: str, security: str) -> None:
    post.set(protocol, security)
    post.dovecot.put(mail(1), mail(2))
    assert not post.look()
    assert post.error == ""
    taken = post.taken()
    assert sorted(one.data for one in taken) == [mail(1), mail(2)]
    assert {(one.envelope.way, one.envelope.mfrom, one.envelope.recipients) for one in taken} == {(protocol, "", (USER,))}
    assert post.dovecot.mails() == []
    assert (post.row.mails, post.row.total, post.rung) == (2, 2, 1)
    assert not post.look()
    assert (post.taken(), post.row.mails, post.row.total, post.rung) == ([], 0, 2, 1)


@pytest.mark.databases("mariadb")
def test_mariadb_knows_how_far_a_mailbox_was_fetched(post: Post) -> None:
    for protocol in WAYS:
        post.set(protocol)
        post.dovecot.put(mail(1), mail(2))
        assert post.is_due()
        post.look()
        assert (post.error, len(post.taken()), post.is_due()) == ("", 2, False)


def test_many_mails_come_batch_by_batch(post: Post) -> None:
    for protocol in WAYS:
        post.set(protocol)
        post.dovecot.put(*(mail(number) for number in range(45)))
        post.rung = 0
        assert not post.look()
        assert len(post.taken()) == 45
        assert post.dovecot.mails() == []
        assert post.rung == 3


def test_a_look_that_has_taken_long_goes_on_in_the_next_job(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LOOK_S", -1.0)
    for protocol in WAYS:
        post.set(protocol)
        post.dovecot.put(*(mail(number) for number in range(25)))
        assert post.look()
        assert len(post.taken()) == 20
        assert post.is_due()
        post.look()
        assert len(post.taken()) == 5
        assert post.dovecot.mails() == []


def test_fetched_mail_is_moved_where_the_setting_says_so(post: Post) -> None:
    post.set(mailbox_after="move", mailbox_move_to="Gelesen & erledigt")
    post.dovecot.put(mail(1), mail(2))
    post.look()
    assert post.error == ""
    assert len(post.taken()) == 2
    assert post.dovecot.mails() == []
    assert sorted(post.dovecot.mails("Gelesen &- erledigt")) == [mail(1), mail(2)]
    post.dovecot.put(mail(3))
    post.look()
    assert len(post.dovecot.mails("Gelesen &- erledigt")) == 3


@pytest.mark.parametrize("after", ["delete", "move"])
def test_a_server_without_uidplus_and_move_is_served_the_old_way(post: Post, after: str) -> None:
    cut = Cut(hides=(b" UIDPLUS", b" MOVE"))
    with wire_to(post.dovecot.ports["imap"], cut) as port:
        post.set(mailbox_port=port, mailbox_after=after)
        post.dovecot.put(mail(1), mail(2))
        post.look()
    assert post.error == ""
    said = b" ".join(cut.commands)
    assert (b" EXPUNGE" in said, b"UID EXPUNGE" in said, b"UID MOVE" in said, b"UID COPY" in said) == (True, False, False, after == "move")
    assert len(post.taken()) == 2
    assert post.dovecot.mails() == []
    assert len(post.dovecot.mails("Processed")) == (2 if after == "move" else 0)


def test_another_folder_is_looked_into(post: Post) -> None:
    post.set(mailbox_after="move", mailbox_move_to="Zurück.später")
    post.dovecot.put(mail(1))
    post.look()
    post.taken()
    post.set(mailbox_folder="Zurück.später", mailbox_after="delete")
    post.look()
    assert post.error == ""
    assert [one.data for one in post.taken()] == [mail(1)]


def test_when_the_server_counts_its_mails_anew_everything_there_is_fetched(post: Post) -> None:
    post.set()
    post.dovecot.put(*(mail(number) for number in range(5)))
    post.look()
    post.taken()
    before = post.row
    assert before.last_uid == 5
    post.dovecot.count_anew()
    post.dovecot.put(mail(6), mail(7))
    post.look()
    assert post.row.uid_validity != before.uid_validity
    assert sorted(one.data for one in post.taken()) == [mail(6), mail(7)]
    assert post.row.last_uid == 2


@pytest.mark.parametrize("protocol", WAYS)
def test_a_mail_that_is_too_large_stays_there_and_is_fetched_never(post: Post, protocol: str) -> None:
    cut = Cut()
    with wire_to(post.dovecot.ports[protocol], cut) as port:
        post.set(protocol, mailbox_port=port)
        large = b"Subject: large\r\n\r\n" + b"x" * 998 + b"\r\n"
        post.dovecot.put(mail(1), large + b"y" * LARGEST + b"\r\n", mail(2))
        for _ in range(2):
            post.look()
            assert post.error == ""
        assert sorted(one.data for one in post.taken()) == [mail(1), mail(2)]
        assert len(post.dovecot.mails()) == 1
        assert post.row.too_large == 1
    fetched = [command for command in cut.commands if command.startswith(b"RETR") or b"BODY.PEEK" in command]
    assert len(fetched) == 2


@pytest.mark.parametrize(("head", "recipients"), [
    (b"Delivered-To: back@mailbox.test\r\nX-Original-To: <{token}>\r\nTo: news@elsewhere.test\r\n", ("{token}",)),
    (b"Delivered-To: back@mailbox.test\r\nEnvelope-To: abuse@relay.test\r\nTo: Abuse <abuse@relay.test>, <POSTMASTER@relay.test>,\r\n x@other.test\r\n",
     ("abuse@relay.test", "POSTMASTER@relay.test")),
    (b"To: =?utf-8?q?Returns?= <{token}>\r\n", ("{token}",)), (b"To: b+" + b"a" * 31 + b"@relay.test\r\n", (USER,)),
    (b"To: " + b"<a@b.test>," * 9000 + b"\r\n", (USER,)),
    (b"To: undisclosed-recipients:;\r\n", (USER,)), (b"", (USER,))])
def test_recipients_are_those_that_the_headers_name_and_that_are_ours(post: Post, head: bytes, recipients: tuple[str, ...]) -> None:
    post.house.settings.save(EmailDelivery, {"relay_domains": ("relay.test",)}, based_on=None, by="test", via="test")
    token = f"b+{post.house.tokens.make('mfrom', 7, 9)}@relay.test"
    post.set()
    post.dovecot.put(mail(1, head.replace(b"{token}", token.encode())))
    post.look()
    only, = post.taken()
    assert only.envelope.recipients == tuple(one.replace("{token}", token) for one in recipients)


def test_a_mail_has_the_sender_that_its_last_server_wrote_down(post: Post) -> None:
    post.set()
    post.dovecot.put(mail(1).replace(b"<>", b"<anna@example.org>"))
    post.look()
    only, = post.taken()
    assert only.envelope.mfrom == "anna@example.org"


@pytest.mark.parametrize(("protocol", "after", "before"), [
    ("imap", "delete", True), ("imap", "delete", False), ("imap", "move", False), ("pop3", "delete", True), ("pop3", "delete", False)])
def test_a_connection_that_breaks_at_any_command_loses_nothing_and_doubles_nothing(post: Post, protocol: str, after: str, before: bool) -> None:
    """And between the two looks the spool was read: the mailbox itself remembers what was kept."""
    for at in range(1, 30):
        cut = Cut(at, before)
        post.dovecot.put(mail(2 * at), mail(2 * at + 1))
        with wire_to(post.dovecot.ports[protocol], cut) as port:
            post.set(protocol, mailbox_port=port, mailbox_after=after)
            post.look()
        first = post.taken()
        if not cut.is_cut:
            assert at > 8
            break
        assert post.error or b"LOGOUT" in cut.commands[-1]
        post.set(protocol, mailbox_after=after)
        post.look()
        assert post.error == "", at
        assert sorted(one.data for one in (*first, *post.taken())) == sorted((mail(2 * at), mail(2 * at + 1))), (at, cut.commands)
        assert post.dovecot.mails() == []
    else:
        raise AssertionError("it never came to an end")


def test_a_process_that_ends_between_keeping_and_taking_away_doubles_nothing(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_arguments: object) -> None:
        raise SystemExit

    for protocol, act in (("imap", "ImapFolder.put_away"), ("pop3", "Pop3.delete")):
        post.set(protocol)
        post.dovecot.put(mail(1), mail(2))
        with monkeypatch.context() as ending:
            ending.setattr(f"app.inbound.mailboxes.{protocol}.{act}", end)
            with pytest.raises(SystemExit):
                post.look()
        assert len(post.taken()) == 2
        post.look()
        assert (post.error, post.taken(), post.dovecot.mails()) == ("", [], [])


def test_while_there_is_no_room_mail_stays_in_its_mailbox(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    for protocol in WAYS:
        with monkeypatch.context() as small:
            small.setattr(fetching, "Spool", lambda data: Spool(data, most_files=2))
            post.set(protocol)
            post.dovecot.put(*(mail(number) for number in range(5)))
            post.look()
            assert "no room" in post.error
            assert len(post.taken()) == 2
            assert len(post.dovecot.mails()) == 3
        post.look()
        assert post.error == ""
        assert len(post.taken()) == 3
        assert post.dovecot.mails() == []


def test_two_do_not_look_at_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.set()
    post.dovecot.put(mail(1))
    looks: list[bool] = []

    def meanwhile(*arguments: Any) -> bool:
        looks.append(poll.poll(post.house, BOUNCES, post._ring))
        return look(*arguments)

    look = poll._look
    monkeypatch.setattr(poll, "_look", meanwhile)
    post.look()
    assert looks == [False]
    assert len(post.taken()) == 1


def test_a_mailbox_is_due_as_often_as_the_setting_says(post: Post) -> None:
    assert not post.is_due()
    post.set(mailbox_minutes=10)
    assert post.is_due()
    post.look()
    assert not post.is_due()
    assert not poll.poll(post.house, BOUNCES, post._ring)
    _age(post, minutes=9)
    assert not post.is_due()
    post.set(mailbox_minutes=8)
    assert post.is_due()
    post.set(mailbox_minutes=10)
    assert not post.is_due()
    _age(post, minutes=11)
    assert post.is_due()
    post.house.settings.save(SECTIONS[BOUNCES], {"method": "server"}, based_on=None, by="test", via="test")
    assert not post.is_due()
    assert not post.look()


def _age(post: Post, minutes: int) -> None:
    with writing(post.house.engine) as connection:
        connection.execute(sa.update(MAILBOXES).values(looked_at=db_now(connection, -60 * minutes)))


def test_after_a_failure_a_saved_setting_lets_it_be_tried_at_once(post: Post) -> None:
    post.set(mailbox_password="wrong")
    post.look()
    assert "Sign in" in post.error
    assert post.row.succeeded_at is None
    assert not post.is_due()
    post.set()
    assert post.is_due()
    post.look()
    assert (post.error, post.row.succeeded_at) == ("", post.row.looked_at)


def test_what_nobody_foresaw_is_kept_for_a_person_and_not_met_again_at_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.set()
    monkeypatch.setattr(fetching, "opened_imap", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        post.look()
    assert "nobody foresaw" in post.error
    assert not post.is_due()


def test_the_mailbox_of_complaints_is_another_one(post: Post) -> None:
    post.set()
    post.dovecot.put(mail(1))
    other = Post(post.house, post.dovecot, COMPLAINTS)
    other.set("pop3")
    other.look()
    assert len(other.taken()) == 1
    assert post.is_due()


@pytest.mark.parametrize(("changes", "step", "why"), [
    ({}, "", ""), ({"mailbox_protocol": "pop3", "mailbox_port": "pop3"}, "", ""), ({"mailbox_after": "move"}, "", ""),
    ({"mailbox_password": "wrong"}, "Sign in", "failed"), ({"mailbox_user": "nobody"}, "Sign in", "failed"),
    ({"mailbox_protocol": "pop3", "mailbox_port": "pop3", "mailbox_password": "wrong"}, "Sign in", "failed"),
    ({"mailbox_protocol": "pop3", "mailbox_port": "pop3", "mailbox_password": "a\r\nQUIT"}, "Sign in", "line break"),
    ({"mailbox_folder": "Nowhere"}, "Open the folder", "Nowhere"), ({"mailbox_internal": False}, "Resolve the host", "not on the public internet"),
    ({"mailbox_port": 1}, "Connect", "Nothing listens"),
    ({"mailbox_security": "tls", "mailbox_port": "imaps", "mailbox_host": "127.0.0.1"}, "TLS and certificate", "not trusted"),
    ({"mailbox_security": "starttls", "mailbox_host": "127.0.0.1"}, "TLS and certificate", "not trusted"),
    ({"mailbox_security": "starttls", "mailbox_host": "127.0.0.1", "mailbox_protocol": "pop3", "mailbox_port": "pop3"}, "TLS and certificate", "not trusted"),
    ({"mailbox_security": "tls"}, "TLS and certificate", "TLS failed"), ({"mailbox_protocol": "pop3"}, "Greeting of the POP3 server", "IMAP")])
def test_a_test_says_each_step_and_in_plain_words_what_is_wrong(post: Post, changes: dict[str, Any], step: str, why: str) -> None:
    port = changes.get("mailbox_port")
    post.set(**changes | ({"mailbox_port": post.dovecot.ports[port]} if isinstance(port, str) else {}))
    post.dovecot.put(mail(1))
    steps = check_mailbox(post.house.settings.load().get(SECTIONS[BOUNCES]))
    assert [one.passed for one in steps] == [True] * (len(steps) - bool(step)) + [False] * bool(step)
    assert (str(steps[-1].name), why in str(steps[-1].text)) == (step or str(steps[-1].name), True), steps
    assert step or any("1 mail is there" in str(one.text) for one in steps)
    assert post.dovecot.mails() == [mail(1)]
    post.look()
    assert (why in post.error, len(post.taken())) == (True, 0 if step else 1)
