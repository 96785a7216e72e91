"""The sweep rings for what the database says is due, and the clock goes round whatever a task does."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from app.accounts.models import SenderDomain
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.freeze import freeze_chunk
from app.delivery.ledger import State
from app.delivery.lifecycle import start_campaign_sending
from app.delivery.models import Recipient, Sending
from app.delivery.notices import queue_notice
from app.delivery.prepare import prepare
from app.delivery.put_back import begin, put_back_chunk
from app.house import House
from app.jobs import PUT_BACK, SEND
from app.processes.leases import hold
from tests.factories import sending as factory
from workers import schedule, sweep


@pytest.fixture
def campaign(session: Session) -> Campaign:
    """A campaign to three people."""
    user = factory.make_user(session)
    made = factory.make_campaign(session, user, [factory.make_list(session, user, "L", factory.addresses(3))])
    factory.make_server(session, 25)
    session.commit()
    return made


def rung(house: House) -> list[tuple[str, dict[str, int]]]:
    """Return the jobs that wait, and forget them as a worker would."""
    found = []
    for name in ("delivery", "transactional", "imports", "maintenance"):
        queue = Queue(name, connection=house.redis, serializer=JSONSerializer)
        found += [(job.args[0], job.args[1]) for job in queue.jobs]
        queue.empty()
    for name, ids in found:
        house.jobs.heard(name, ids)
    return found


def test_people_who_are_put_back_are_rung_for_until_all_of_them_are(house: House, session: Session, campaign: Campaign) -> None:
    sending = start_campaign_sending(house, session, campaign)
    session.commit()
    assert sending is not None
    factory.freeze_whole(house, sending.id)
    session.execute(sa.update(Recipient).values(state=State.FAILED, reason="blocked"))
    session.execute(sa.text("UPDATE batches SET state = 'done', failed = 3"))
    session.execute(sa.text("UPDATE sendings SET state = 'finished'"))
    assert begin(session.connection(), sending.id, ["blocked"])
    session.commit()
    sweep.ring_for_sendings(house)
    assert rung(house) == [(PUT_BACK.name, {"sending": sending.id})]
    while put_back_chunk(house.engine, sending.id):
        continue
    sweep.ring_for_sendings(house)
    assert rung(house) == [(SEND.name, {"sending": sending.id})]


def test_a_scheduled_campaign_starts_when_its_time_has_come_and_once(house: House, session: Session, campaign: Campaign) -> None:
    campaign.state, campaign.send_at = "scheduled", utcnow() + timedelta(minutes=5)
    session.commit()
    sweep.start_due_campaigns(house)
    assert rung(house) == []
    campaign.send_at = utcnow() - timedelta(seconds=1)
    session.commit()
    sweep.start_due_campaigns(house)
    sweep.start_due_campaigns(house)
    sendings = session.scalars(sa.select(Sending)).all()
    session.commit()
    assert [(one.state, one.campaign_id) for one in sendings] == [("freezing", campaign.id)]
    assert rung(house) == [("freeze", {"sending": sendings[0].id})]


def test_the_clock_rings_once_a_day_for_a_sender_domain(house: House, session: Session, campaign: Campaign) -> None:
    session.add(SenderDomain(user_id=campaign.user_id, domain="example.com"))
    session.commit()
    schedule.ring_for_domains(house)
    assert rung(house) == [("check_domains", {})]
    for hours, rings in ((23, []), (25, [("check_domains", {})])):
        session.execute(sa.update(SenderDomain).values(checked_at=utcnow() - timedelta(hours=hours)))
        session.commit()
        schedule.ring_for_domains(house)
        assert rung(house) == rings
    assert (schedule.ring_for_domains, schedule.MINUTE_S) in schedule.ALL


def test_a_lost_bell_is_rung_again_for_each_thing_that_is_due(house: House, session: Session, campaign: Campaign) -> None:
    sending = start_campaign_sending(house, session, campaign)
    session.commit()
    assert sending is not None
    sweep.ring_for_sendings(house)
    assert rung(house) == [("freeze", {"sending": sending.id})]
    prepare(house.engine, sending.id, house.plugins.snapshot(house.engine))
    while not freeze_chunk(house.engine, sending.id):
        continue
    sweep.ring_for_sendings(house)
    assert rung(house) == [("send", {"sending": sending.id})]
    queue_notice(session, "a@example.org", "S", "P")
    session.commit()
    sweep.ring_for_notices(house)
    assert rung(house) == [("send_notices", {})]


def test_a_row_that_waits_is_rung_for_when_it_is_due(house: House, session: Session, campaign: Campaign) -> None:
    session.add(Sending(id=1, user_id=campaign.user_id, kind="campaign", state="sending", total=1))
    session.flush()
    session.add(Recipient(sending_id=1, position=1, dedupe_key="a@b.example", email="a@b.example", next_at=utcnow() + timedelta(hours=1)))
    session.commit()
    sweep.ring_for_sendings(house)
    assert rung(house) == []
    session.execute(sa.update(Recipient).values(next_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    sweep.ring_for_sendings(house)
    assert rung(house) == [("send", {"sending": 1})]


def test_the_same_job_waits_once_however_often_it_is_rung_for(house: House) -> None:
    for _ in range(3):
        house.jobs.ring(SEND, sending=1)
    house.jobs.ring(SEND, sending=2)
    queue = Queue("delivery", connection=house.redis, serializer=JSONSerializer)
    assert [job.args[1]["sending"] for job in queue.jobs] == [1, 2]
    house.jobs.heard("send", {"sending": 1})
    house.jobs.ring(SEND, sending=1)
    assert [job.args[1]["sending"] for job in queue.jobs] == [1, 2, 1]


def test_a_task_that_fails_does_not_stop_the_others(house: House) -> None:
    done: list[str] = []

    def failing(_house: House) -> None:
        raise RuntimeError("no")

    def working(_house: House) -> None:
        done.append("working")

    now = [100.0]
    rounds = schedule.Rounds(house, ((failing, 2.0), (working, 2.0)), now=lambda: now[0])
    assert rounds.do_due() == 2
    assert rounds.do_due() == 0
    now[0] += 2.0
    rounds.do_due()
    assert done == ["working", "working"]


def test_every_task_of_the_clock_does_no_harm_in_an_empty_house(house: House) -> None:
    for task, _ in schedule.ALL:
        task(house)
        task(house)
    assert rung(house) == []


def test_one_process_at_a_time_goes_round_and_gives_the_lease_back_at_its_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[str] = []
    monkeypatch.setattr(schedule, "ALL", ())
    monkeypatch.setattr(schedule.Rounds, "do_due", lambda _self: ticks.append("tick") or 1)
    assert hold(house.engine, schedule.LEASE, "another", 60)
    ended = threading.Event()
    thread = threading.Thread(target=schedule._go_round, args=(house, "me", ended))
    thread.start()
    ended.wait(0.4)
    ended.set()
    thread.join(2)
    assert ticks == []
    assert not thread.is_alive()
