"""The sweep rings for forwards, and the job sends them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from app.db import utcnow
from app.house import House
from app.jobs import SEND_FORWARDS
from tests.factories import sending as factory
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.unit.inbound.forwarding import MAIL, Desk
from workers import forwards
from workers.runtime import PERFORMERS
from workers.sweep import TASKS


@pytest.fixture
def desk(house: House, session: Session, sink: Sink) -> Desk:  # noqa: F811
    """Whoever decides, with a delivery server that leads into the sink."""
    factory.make_server(session, sink.port)
    session.commit()
    return Desk(house, session, sink)


def rung(house: House) -> list[str]:
    """Return the jobs that wait in the queue of incoming mail, and forget them as a worker would."""
    queue = Queue("maintenance", connection=house.redis, serializer=JSONSerializer)
    found = [job.args[0] for job in queue.jobs]
    queue.empty()
    for name in found:
        house.jobs.heard(name, {})
    return found


@pytest.mark.databases("sqlite", "mariadb")
def test_the_sweep_rings_for_what_is_due_and_for_what_a_dead_sender_left(desk: Desk) -> None:
    assert forwards.ring_for_forwards in dict(TASKS)
    forwards.ring_for_forwards(desk.house)
    assert not rung(desk.house)
    desk.plan()
    forwards.ring_for_forwards(desk.house)
    assert rung(desk.house) == [SEND_FORWARDS.name]
    desk.change(next_at=utcnow() + timedelta(minutes=1))
    forwards.ring_for_forwards(desk.house)
    assert not rung(desk.house)
    desk.change(state="sending", next_at=utcnow() - timedelta(seconds=1))
    forwards.ring_for_forwards(desk.house)
    assert rung(desk.house) == [SEND_FORWARDS.name]


def test_the_job_sends_what_is_due_and_rings_for_the_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwards, "_house", lambda: desk.house)
    monkeypatch.setattr(forwards, "db", type("Nothing", (), {"session": desk.session}))
    monkeypatch.setattr("app.inbound.forward_sending.AT_ONCE", 2)
    for number in range(3):
        desk.plan(MAIL.replace(b"<1@", f"<{number}@".encode()))
    PERFORMERS[SEND_FORWARDS.name]()
    assert (len(desk.sink.taken), rung(desk.house)) == (2, [SEND_FORWARDS.name])
    PERFORMERS[SEND_FORWARDS.name]()
    assert (desk.states(), rung(desk.house)) == (["sent"] * 3, [])
