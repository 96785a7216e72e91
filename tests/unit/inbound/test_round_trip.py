"""Whatever server returns a mail of ours, in whatever form, to whichever address: it is known whose it was, of which campaign, and what it means.

A sample in which every two properties meet goes the whole way. Of all there are, each 211th is read and matched, and with
``LETTERMILL_ROUND_TRIPS=whole`` every one.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.db import utcnow
from app.house import House
from app.inbound.domains import Ours
from app.inbound.models import AddressBounces, InboundEvent, InboundMail
from app.inbound.on_bounce import matched
from app.inbound.read import read
from app.inbound.reading import read_waiting
from app.inbound.soft import end_rows_of
from app.inbound.spool import Spool, arrived
from app.inbound.take_in import take_in
from app.inbound.work import Circumstances, Work
from tests.factories import sending as factory
from tests.factories.returns.cases import Case, in_company, pairs, whole
from tests.factories.returns.owns import Sent, send_all
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture


@pytest.fixture
def sent(app: Flask, sink: Sink) -> Iterator[Sent]:  # noqa: F811
    with app.app_context():
        yield send_all(app, sink)


def come_back(house: House, cases: list[Case]) -> dict[str, Case]:
    """Let them come and be read; return them by the names they have."""
    spool, names = Spool(house.config.data), {}
    for number, case in enumerate(cases):
        envelope = arrived(mfrom="", recipients=(case.recipient(),), way="pipe", client="192.0.2.7", helo="mx.relay.example")
        names[spool.put(case.data(number), envelope)] = case
    with factory.every_tenant():
        take_in(house, spool)
        while read_waiting(house, 0, 2**31):
            continue
    return names


def wrong_of(house: House, names: dict[str, Case]) -> list[tuple[str, ...]]:
    """Return what was not known as what it is: its properties, and what was made of it."""
    mails = {row.digest: row for row in _rows(house, sa.select(InboundMail.id, InboundMail.digest, InboundMail.kind, InboundMail.problem))}
    events: dict[int, list[sa.Row]] = {}  # type: ignore[type-arg]
    for event in _rows(house, sa.select(InboundEvent.__table__)):
        events.setdefault(event.mail_id, []).append(event)
    found = []
    for name, case in names.items():
        of = events.get(mails[name].id, [])
        said = [(one.sending_id, one.position, one.campaign_id, one.kind, one.bounce_class) for one in of]
        # What came back with a number of ours is known by it, and not by the address that stands beside it.
        is_weak = case.has_key and any(one.matched_by == "window" for one in of)
        if is_weak or said != [meaning_of(case, is_weak=any(one.matched_by == "window" for one in of))]:
            found.append((case.own.name, case.system, case.why, case.form, case.returned, case.place, mails[name].kind, mails[name].problem,
                          *(f"{one.kind} {one.bounce_class} {one.reason} by {one.matched_by}" for one in of)))
    return found


def meaning_of(case: Case, *, is_weak: bool) -> tuple[object, ...]:
    """Return what is to be written down: what an address alone says makes nobody gone for good."""
    kind, bounce = case.meant
    return case.own.sending_id, case.own.position, case.own.campaign_id, kind, "soft" if is_weak and bounce == "hard" else bounce


def _rows(house: House, query: sa.Select) -> list[sa.Row]:  # type: ignore[type-arg]
    with house.engine.connect() as connection:
        return list(connection.execute(query))


def test_a_sample_of_all_that_comes_back_is_acted_on_as_what_it_is(sent: Sent) -> None:
    cases = list(pairs(whole(sent.owns)))
    assert len(cases) > 300
    wrong = wrong_of(sent.house, come_back(sent.house, cases))
    assert not wrong, said_of(wrong, len(cases))


def circumstances(house: House) -> Circumstances:
    """Return what is the same for all mails."""
    known = Ours(house.engine, house.settings, house.tokens, house.config.base_url).now()
    return Circumstances(house=house, settings=house.settings.load(), known=known, enabled=house.plugins.snapshot(house.engine))


def known_as(now: Circumstances, session: Session, case: Case, number: int) -> tuple[tuple[object, ...], ...]:
    """Read a mail and find whose it was, as acting on it begins; return the same as is written down of an event, and the key."""
    mail = SimpleNamespace(id=number, way="pipe", recipients=[case.recipient()], arrived_at=utcnow())
    source = case.data(number)
    work = Work(session=session, now=now, mail=mail, source=source, reading=read(source))
    kind = work.reading.kind
    found = [(work.named, None)] if kind == "complaint" and work.named else matched(work)
    return tuple((match.ledger_id.sending_id, match.ledger_id.position, match.campaign_id, kind, event.kind if event and kind == "bounce" else "", match.by)
                 for match, event in found)


@pytest.mark.timeout(7200)
def test_every_mail_that_comes_back_is_known_with_its_campaign_and_its_meaning(sent: Sent) -> None:
    house, cases = sent.house, whole(sent.owns)
    step = 1 if os.environ.get("LETTERMILL_ROUND_TRIPS") == "whole" else 211
    now, wrong = circumstances(house), []
    with factory.every_tenant(), factory.session_of(house) as session:
        for number in range(0, len(cases), step):
            case = cases[number]
            found = known_as(now, session, case, number)
            meant = (meaning_of(case, is_weak=bool(found) and found[0][5] == "window"),)
            if tuple(one[:5] for one in found) != meant or (case.has_key and found[0][5] == "window"):
                wrong.append((case.own.name, case.system, case.why, case.form, case.returned, case.place, *map(str, found)))
        session.rollback()
    assert not wrong, said_of(wrong, len(cases) // step)


def test_of_many_people_in_one_report_each_has_its_own_meaning(sent: Sent) -> None:
    house = sent.house
    strangers = [replace(sent.owns[0], address=f"member{number}@list.example") for number in range(4)]
    cases = in_company(sent.owns[:2], strangers)
    assert len(cases) > 200
    now, wrong = circumstances(house), []
    with factory.every_tenant(), factory.session_of(house) as session:
        for number, case in enumerate(cases):
            found = known_as(now, session, case, number)
            if [one[:5] for one in found] != [(case.own.sending_id, case.own.position, case.own.campaign_id, *case.meant)]:
                wrong.append((case.own.name, case.system, case.why, *(why for _, why in case.others), *map(str, found)))
        session.rollback()
    assert not wrong, said_of(wrong, len(cases))


def test_a_report_to_postmaster_about_many_of_ours_counts_for_each(sent: Sent) -> None:
    ada, ben, cy = sent.owns[:3]
    case = Case(ada, "Postfix", "unknown", "us-ascii", "nothing", "postmaster", ((ben, "full"), (cy, "spam")))
    bare = re.sub(rb"(?m)^(Original-Envelope-Id|X-Postfix-Sender):.*\r\n", b"", case.data(1))
    spool = Spool(sent.house.config.data)
    spool.put(bare, arrived(mfrom="", recipients=("postmaster",), way="pipe", client="", helo=""))
    with factory.every_tenant():
        take_in(sent.house, spool)
        read_waiting(sent.house, 0, 2**31)
    event = InboundEvent
    assert set(_rows(sent.house, sa.select(event.sending_id, event.position, event.bounce_class, event.matched_by, event.decision))) == {
        (ada.sending_id, ada.position, "soft", "window", "counted"), (ben.sending_id, ben.position, "soft", "window", "counted"),
        (cy.sending_id, cy.position, "block", "window", "noted")}


def test_an_open_begins_the_soft_bounces_of_a_transactional_mail_anew(sent: Sent) -> None:
    own = next(one for one in sent.owns if one.name == "transactional")
    come_back(sent.house, [Case(own, "Postfix", "full", "us-ascii", "headers", "return path")])
    assert _rows(sent.house, sa.select(AddressBounces.address, AddressBounces.number)) == [(own.address, 1)]

    with sent.house.engine.begin() as connection:
        end_rows_of(connection, [(own.sending_id, own.position)])
    assert _rows(sent.house, sa.select(AddressBounces.address)) == []


def said_of(wrong: list[tuple[str, ...]], number: int) -> str:
    """Return what a reader needs to see first."""
    return f"{len(wrong)} of {number}: {Counter(one[1:3] for one in wrong)}\n" + "\n".join(map(str, wrong[:80]))
