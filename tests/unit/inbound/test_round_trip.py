"""Whatever server returns a mail of ours, in whatever form, to whichever address: it is known whose it was, of which campaign, and what it means.

The suite takes a sample in which every two properties meet; ``LETTERMILL_ROUND_TRIPS=whole`` takes all there are.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app.house import House
from app.inbound.models import InboundEvent, InboundMail
from app.inbound.reading import read_waiting
from app.inbound.spool import Spool, arrived
from app.inbound.take_in import take_in
from tests.factories import sending as factory
from tests.factories.returns.cases import Case, pairs, whole
from tests.factories.returns.owns import Sent, send_all
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

AT_ONCE = 2000


@pytest.fixture
def sent(app: Flask, sink: Sink) -> Iterator[Sent]:  # noqa: F811
    with app.app_context():
        yield send_all(app, sink)


def come_back(house: House, cases: list[Case], first: int) -> dict[str, Case]:
    """Let them come and be read; return them by the names they have."""
    spool, names = Spool(house.config.data), {}
    for number, case in enumerate(cases, first):
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
        if is_weak or said != [(case.own.sending_id, case.own.position, case.own.campaign_id, *case.meant)]:
            found.append((case.own.name, case.system, case.why, case.form, case.returned, case.place, mails[name].kind, mails[name].problem,
                          *(f"{one.kind} {one.bounce_class} {one.reason} by {one.matched_by}" for one in of)))
    return found


def _rows(house: House, query: sa.Select) -> list[sa.Row]:  # type: ignore[type-arg]
    with house.engine.connect() as connection:
        return list(connection.execute(query))


@pytest.mark.timeout(7200)
def test_every_mail_that_comes_back_is_known_with_its_campaign_and_its_meaning(sent: Sent) -> None:
    cases = whole(sent.owns)
    if os.environ.get("LETTERMILL_ROUND_TRIPS") != "whole":
        cases = list(pairs(cases))
    assert len(cases) > 300
    wrong = []
    for first in range(0, len(cases), AT_ONCE):
        wrong += wrong_of(sent.house, come_back(sent.house, cases[first:first + AT_ONCE], first))
    assert not wrong, f"{len(wrong)} of {len(cases)}: {Counter(one[1:3] for one in wrong)}\n" + "\n".join(map(str, wrong[:80]))
