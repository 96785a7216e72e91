"""A reader of inbound mail is killed at each named place; the next one finds every mail, and does what is still to be done, once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app.delivery.crash import KILLED, OF_INBOUND
from app.inbound.models import InboundCount, InboundMail
from app.inbound.spool import arrived
from tests.factories.inbound_process import Readers, readers
from tests.factories.returned import FULL, GONE, SPAM, Returned
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

PEOPLE = ["ada@one.example", "ben@one.example", "cy@two.example"]
SAID = dict(zip(PEOPLE, (GONE, FULL, SPAM), strict=True))
# Of three mails that came together: taken in and begun at once, acted on one after the other. What is kept and not yet answered, the killed
# servers of test_inbound_chaos.py show.
CASES = [(place, number) for place in OF_INBOUND if place != "after_keep" for number in ((1, 3) if place.endswith("_act") else (1,))]


@pytest.fixture(scope="session")
def killable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    """Readers in processes of their own."""
    with readers(tmp_path_factory.mktemp("readers") / "log") as found:
        yield found


@pytest.mark.databases("sqlite", "mariadb")
def test_a_kill_loses_no_mail_and_no_mail_is_acted_on_twice(app: Flask, sink: Sink, killable: Readers) -> None:  # noqa: F811
    with app.app_context():
        back = Returned(app, sink, PEOPLE)
        for place, number in CASES:
            _come_back(back, f"{place}{number}")
            assert killable.run(back.house.config, f"{place}:{number}") == KILLED, (place, number)
            assert killable.run(back.house.config) == 0
            assert _once(back, place), (place, number)
            assert back.spool.waiting() == []


def _come_back(back: Returned, mark: str) -> None:
    for address, says in SAID.items():
        report = back.bounce(address, says).replace(b"MIME-Version", b"X-Mark: " + mark.encode() + b"\r\nMIME-Version", 1)
        back.spool.put(report, arrived(mfrom="", recipients=(back.mfrom(address),), way="smtp", client="192.0.2.1", helo="mx.example.net"))


def _once(back: Returned, place: str) -> bool:
    """Whether each mail so far has one event, and each figure is what the events say."""
    rounds = CASES.index(next(case for case in reversed(CASES) if case[0] == place)) + 1
    with back.house.engine.connect() as connection:
        mails = connection.scalars(sa.select(InboundMail.state)).all()
        counts = dict(connection.execute(sa.select(InboundCount.what, InboundCount.number).where(
            InboundCount.user_id == back.user_id, InboundCount.dimension == "")).all())  # type: ignore[arg-type]
    events = back.decisions()
    number = len(mails) // len(PEOPLE)
    assert number <= rounds
    return (set(mails) == {"read"} and len(events) == len(mails) and counts == dict.fromkeys(("hard", "soft", "block"), number)
            and [decision for *_, decision in events].count("counted") == 1 and back.soft("ben@one.example") == 1
            and (back.sending.bounced_hard, back.sending.bounced_soft, back.sending.blocked) == (1, 1, 1)
            and back.suppressed() == {"ada@one.example": "hard_bounce"})
