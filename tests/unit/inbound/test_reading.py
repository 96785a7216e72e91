"""Mails that wait are read once, whoever reads them; what kills or breaks its reader is set aside for a person."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from app.accounts.models import Administrator
from app.db import utcnow
from app.delivery.models import Notice
from app.inbound import act as acting
from app.inbound import take_in as taking
from app.inbound.again import read_unprocessed_again
from app.inbound.digest import LIST, tell_administrators
from app.inbound.dmarc.parse import report_of
from app.inbound.dmarc.store import REPORTS, ROWS, store_report
from app.inbound.keeping import forget_old
from app.inbound.models import InboundMail, InboundSource
from app.inbound.reading import MOST_TRIES, read_waiting, waiting_range
from app.inbound.spool import Taken, arrived
from app.inbound.take_in import MAILS, take_in
from app.settings.sections.bounces import Bounces
from tests.factories import sending as factory
from tests.factories.dmarc import xml
from tests.factories.returned import FULL, Returned
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

NOBODYS = b"From: MAILER-DAEMON@x.example\r\nSubject: Undelivered Mail Returned to Sender\r\n\r\n<nobody@nowhere.example>: 550 5.1.1 User unknown\r\n"


@pytest.fixture
def back(app: Flask, sink: Sink) -> Iterator[Returned]:  # noqa: F811
    with app.app_context():
        yield Returned(app, sink, ["ada@one.example"])


def _put(back: Returned, data: bytes, to: str = "") -> int:
    back.spool.put(data, arrived(mfrom="", recipients=(to or back.mfrom("ada@one.example"),), way="smtp"))
    take_in(back.house, back.spool)
    with back.house.engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.max(MAILS.c.id))) or 0)


def _mail(back: Returned, number: int) -> InboundMail:
    return back.one(InboundMail, id=number)  # type: ignore[return-value]


@pytest.mark.databases("sqlite", "mariadb")
def test_of_several_who_read_the_same_mails_at_once_one_acts_on_each(back: Returned) -> None:
    first = _put(back, back.bounce("ada@one.example", FULL))
    for number in range(5):
        _put(back, back.bounce("ada@one.example", f"{FULL} {number}"))

    def read() -> None:
        with factory.every_tenant():
            read_waiting(back.house, first, first + 10)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(back.events()) == 6
    assert sorted(decision for *_, decision in back.decisions()) == ["counted"] + ["counted_before"] * 5
    assert back.soft("ada@one.example") == 1


def test_a_mail_that_kills_its_readers_is_set_aside_and_the_next_ones_are_read(back: Returned) -> None:
    killer, other = _put(back, back.bounce("ada@one.example", FULL)), _put(back, back.bounce("ada@one.example"))
    with back.house.engine.begin() as connection:
        connection.execute(sa.update(MAILS).where(MAILS.c.id == killer).values(tries=MOST_TRIES))
    back.read()

    assert [(mail.state, mail.problem) for mail in (_mail(back, killer), _mail(back, other))] == [("unprocessed", "died"), ("read", "")]


def test_a_mail_that_breaks_what_acts_is_kept_and_nothing_of_it_remains(back: Returned, monkeypatch: pytest.MonkeyPatch) -> None:
    number = _put(back, back.bounce("ada@one.example"))

    def broken(work: object) -> None:
        raise RuntimeError("it broke after acting")

    with monkeypatch.context() as patch:
        patch.setattr(acting, "send_onward", broken)
        back.read()
    assert ((_mail(back, number).state, _mail(back, number).problem), back.events(), back.suppressed()) == (("unprocessed", "failed"), [], {})

    with factory.every_tenant(), factory.session_of(back.house) as session:
        assert read_unprocessed_again(back.house, session) == 1
        session.commit()
    back.read()
    assert (_mail(back, number).state, back.suppressed()) == ("read", {"ada@one.example": "hard_bounce"})


def test_the_sweep_finds_what_waits_for_longer_than_a_bell_takes(back: Returned) -> None:
    number = _put(back, back.bounce("ada@one.example"))
    with back.house.engine.connect() as connection:
        assert waiting_range(connection) is None
    with time_machine.travel(utcnow() + timedelta(seconds=10)), back.house.engine.connect() as connection:
        assert waiting_range(connection) == (number, number)


def test_administrators_are_told_of_unprocessed_mails_once_an_hour_at_most(back: Returned) -> None:
    with factory.session_of(back.house) as session:
        session.add(Administrator(username="root", email="root@house.example", is_super=True))
        session.commit()
    assert tell_administrators(back.house) == 0
    for number in range(3):
        _put(back, NOBODYS + b"%d" % number, "postmaster")
    back.read()

    assert (tell_administrators(back.house), tell_administrators(back.house)) == (3, 0)
    _put(back, NOBODYS + b"more", "postmaster")
    back.read()
    assert tell_administrators(back.house) == 0
    with time_machine.travel(utcnow() + timedelta(hours=2)):
        assert tell_administrators(back.house) == 1
    with factory.session_of(back.house) as session:
        assert [row.subject for row in session.scalars(sa.select(Notice))] == ["3 reports could not be processed", "1 report could not be processed"]


def test_the_digest_leads_to_the_page_that_lists_them(app: Flask) -> None:
    assert app.url_map.bind("").match(LIST)[0] == "inbound.unprocessed"


def test_switched_off_the_notification_is_not_written(back: Returned) -> None:
    back.save(Bounces, error_notification=False)
    _put(back, NOBODYS, "postmaster")
    back.read()

    assert tell_administrators(back.house) == 0


def test_after_thirty_days_the_bytes_go_and_what_was_decided_stays(back: Returned) -> None:
    bounced, nobodys = _put(back, back.bounce("ada@one.example")), _put(back, NOBODYS, "postmaster")
    back.read()
    assert forget_old(back.house.engine) == 0

    with time_machine.travel(utcnow() + timedelta(days=31)):
        assert forget_old(back.house.engine) == 2
    with factory.session_of(back.house) as session:
        assert session.scalars(sa.select(InboundMail.id)).all() == [bounced]
        assert session.scalars(sa.select(InboundSource.mail_id)).all() == []
    assert (nobodys, len(back.events())) == (bounced + 1, 1)


def test_a_broken_file_and_a_mail_that_the_database_refuses_stop_no_other(back: Returned, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = back.spool.put(back.bounce("ada@one.example"), arrived(mfrom="", recipients=(back.mfrom("ada@one.example"),), way="smtp"))
    broken = back.spool.put(b"From: a\r\n\r\n", arrived(mfrom="", recipients=("postmaster",), way="smtp"))
    refused = back.spool.put(b"From: b\r\n\r\n", arrived(mfrom="", recipients=("postmaster",), way="smtp"))
    (back.house.config.data / "inbound" / "waiting" / broken).write_bytes(b"{half a line")
    whole_row = taking._row

    def row(one: Taken) -> dict[str, object]:
        return whole_row(one) | ({"digest": None} if one.name == refused else {})

    monkeypatch.setattr(taking, "_row", row)
    back.read()

    assert back.suppressed() == {"ada@one.example": "hard_bounce"}
    assert (back.spool.waiting(), sorted(path.name for path in back.spool.kept())) == ([], sorted([broken, refused])), whole


@pytest.mark.databases("sqlite", "mariadb")
def test_reports_of_dmarc_go_after_four_hundred_days(back: Returned) -> None:
    with back.house.engine.begin() as connection:
        store_report(connection, None, report_of(xml()))
    for days, left in ((399, 1), (401, 0)):
        with time_machine.travel(utcnow() + timedelta(days=days)):
            forget_old(back.house.engine)
        with back.house.engine.connect() as connection:
            assert [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in (REPORTS, ROWS)] == [left, left]
