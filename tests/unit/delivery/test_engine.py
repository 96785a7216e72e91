"""The whole way of a campaign, into a mail server that tells what it got."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
import sqlalchemy as sa

from app.audience.models import Subscriber, Suppression
from app.db import utcnow
from app.delivery import health, lifecycle
from app.delivery.journal import JournalFull, SlotJournal
from app.delivery.ledger import State
from app.delivery.models import DeliveryServer, Recipient, ServerHour
from app.delivery.policies import policy_of
from app.delivery.reconcile import reconcile, settle_by_evidence
from app.delivery.transports.smtp import SmtpTransport
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
both = pytest.mark.databases("sqlite", "mariadb")


def make_due(stage: Stage) -> None:
    """Let the next tries be due now."""
    stage.session.execute(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
    stage.session.commit()


def run_reconcile(stage: Stage) -> None:
    settings = stage.house.settings.load()
    reconcile(stage.house.engine, lambda sending: policy_of(settings, sending))


@both
def test_everybody_on_the_list_gets_one_mail_and_the_campaign_is_finished(stage: Make, sink: Sink) -> None:
    campaign = stage(350)
    sending = campaign.frozen()
    campaign.send(sending)
    assert sink.copies() == {f"p{number}@example.org": 1 for number in range(1, 351)}
    assert campaign.counts(sending).sent == 350
    campaign.session.refresh(campaign.campaign)
    campaign.session.commit()
    assert (sending.state, campaign.campaign.state) == ("finished", "finished")


def test_a_mail_greets_its_reader_and_carries_its_own_way_out(stage: Make, sink: Sink) -> None:
    campaign = stage(["anna@example.org"])
    sending = campaign.frozen()
    campaign.send(sending)
    taken = sink.taken[0]
    mail = message_from_bytes(taken.data, policy=policy.default)
    html = mail.get_body(("html",)).get_content()
    tokens = campaign.house.tokens
    leave = mail["List-Unsubscribe"].partition(", <")[2].rstrip(">")
    assert mail["Subject"] == "Hi anna"
    assert "Hello anna" in html
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert tokens.read("unsubscribe", leave.rpartition("/")[2]).sending_id == sending.id
    assert tokens.read("mfrom", taken.mfrom.partition("+")[2].partition("@")[0]).position == 1
    assert f"href=\"{leave}\"" in html
    assert "/t/c/" in html
    assert "/t/o/" in html
    assert "%" not in html.replace("100%", "")


def test_somebody_who_unsubscribes_after_the_freeze_gets_nothing_and_is_named(stage: Make, sink: Sink) -> None:
    campaign = stage(5)
    sending = campaign.frozen()
    campaign.session.execute(sa.update(Subscriber).where(Subscriber.email == "p3@example.org").values(state="unsubscribed"))
    campaign.session.commit()
    campaign.send(sending)
    assert "p3@example.org" not in sink.copies()
    assert campaign.row(sending, "p3@example.org").reason == "unsubscribed"
    assert campaign.counts(sending).skipped == 1
    assert sending.state == "finished"


@pytest.mark.parametrize("pattern", ["p2@example.org", "@example.org", "@.org"])
def test_a_suppression_after_the_freeze_holds_for_every_kind_of_pattern(stage: Make, sink: Sink, pattern: str) -> None:
    campaign = stage(["p2@example.org", "other@example.net"])
    sending = campaign.frozen()
    campaign.session.add(Suppression(pattern=pattern, reason="manual"))
    campaign.session.commit()
    campaign.send(sending)
    assert list(sink.copies()) == ["other@example.net"]
    assert campaign.row(sending, "p2@example.org").reason == "suppressed"


@both
def test_a_mail_that_is_put_off_waits_and_goes_at_the_next_try(stage: Make, sink: Sink) -> None:
    campaign = stage(3)
    sink.faults.at_rcpt = {"p2@example.org": [b"450 4.2.0 Greylisted"]}
    sending = campaign.frozen()
    campaign.send(sending)
    row = campaign.row(sending, "p2@example.org")
    assert (row.state, row.reason, row.attempts, row.code) == (State.PENDING, "deferred", 1, 450)
    assert timedelta(seconds=40) < row.next_at - utcnow() < timedelta(seconds=76)
    assert (sending.state, campaign.counts(sending).waiting) == ("sending", 1)
    make_due(campaign)
    campaign.send(sending)
    assert sink.copies()["p2@example.org"] == 1
    assert (sending.state, campaign.counts(sending).sent, campaign.counts(sending).waiting) == ("finished", 3, 0)


@both
def test_a_mailbox_that_is_gone_fails_and_is_not_mailed_again(stage: Make, sink: Sink) -> None:
    campaign = stage(3)
    sink.faults.at_rcpt = {"p2@example.org": [b"550 5.1.1 No such user"]}
    sending = campaign.frozen()
    campaign.send(sending)
    row = campaign.row(sending, "p2@example.org")
    assert (row.state, row.reason, row.code, row.enhanced) == (State.FAILED, "bounced_hard", 550, "5.1.1")
    assert campaign.bounce_state(row) == "hard"
    assert (sending.state, campaign.counts(sending).failed) == ("finished", 1)


def test_a_refusal_that_is_about_us_does_not_mark_the_person(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.at_dot = {"p1@example.org": [b"550 5.7.1 Message content rejected"]}
    sending = campaign.frozen()
    campaign.send(sending)
    row = campaign.row(sending, "p1@example.org")
    assert (row.state, row.reason) == (State.FAILED, "blocked")
    assert campaign.bounce_state(row) == "none"


@both
def test_a_reply_that_is_lost_leaves_the_mail_in_doubt_and_a_second_copy_is_never_unnamed(stage: Make, sink: Sink) -> None:
    campaign = stage(3)
    sink.faults.lose_reply = {"p2@example.org": 1}
    sending = campaign.frozen()
    campaign.send(sending)
    row = campaign.row(sending, "p2@example.org")
    assert (row.state, row.reason) == (State.IN_DOUBT, "in_doubt")
    assert (sending.state, campaign.counts(sending).in_doubt) == ("sending", 1)
    make_due(campaign)
    run_reconcile(campaign)
    assert campaign.counts(sending).waiting == 1
    campaign.send(sending)
    assert sink.copies() == {"p1@example.org": 1, "p2@example.org": 2, "p3@example.org": 1}
    assert campaign.row(sending, "p2@example.org").reason == "in_doubt"
    assert (sending.state, campaign.counts(sending).sent) == ("finished", 3)


def test_nobody_gets_a_third_copy(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.lose_reply = {"p1@example.org": 9}
    sending = campaign.frozen()
    for _ in range(4):
        campaign.send(sending)
        make_due(campaign)
        run_reconcile(campaign)
    assert sink.copies()["p1@example.org"] == 2
    assert campaign.row(sending, "p1@example.org").state == State.IN_DOUBT


def test_parked_doubt_stays_and_ends_the_sending(stage: Make, sink: Sink) -> None:
    campaign = stage(2)
    sink.faults.lose_reply = {"p1@example.org": 1}
    sending = campaign.start()
    sending.in_doubt_policy = "park"
    campaign.session.commit()
    campaign.send(campaign.freeze(sending))
    run_reconcile(campaign)
    campaign.send(sending)
    campaign.look_again(sending)
    assert (sending.state, campaign.counts(sending).in_doubt, sink.copies()["p1@example.org"]) == ("finished", 1, 1)


def test_an_open_settles_a_mail_that_was_in_doubt(stage: Make, sink: Sink) -> None:
    campaign = stage(2)
    sink.faults.lose_reply = {"p1@example.org": 1}
    sending = campaign.frozen()
    campaign.send(sending)
    row = campaign.row(sending, "p1@example.org")
    with campaign.house.engine.begin() as connection:
        assert settle_by_evidence(connection, [(sending.id, row.position), (sending.id, 99)]) == 1
        assert settle_by_evidence(connection, [(sending.id, row.position)]) == 0
    campaign.look_again(sending)
    assert (sending.state, campaign.counts(sending).sent) == ("finished", 2)


def test_a_server_that_is_away_costs_nobody_a_try(stage: Make, sink: Sink) -> None:
    campaign = stage(30)
    campaign.session.execute(sa.update(DeliveryServer).values(port=1, revision=2))
    campaign.session.commit()
    sending = campaign.frozen()
    assert campaign.send(sending) is False
    assert campaign.states(sending) == {State.PENDING: 30}
    assert campaign.row(sending, "p1@example.org").attempts == 0
    campaign.session.execute(sa.update(DeliveryServer).values(port=sink.port, revision=3))
    # As saving the server does: what was wrong may be mended.
    health.forget(campaign.session.connection(), campaign.session.scalars(sa.select(DeliveryServer.id)).one())
    campaign.session.commit()
    campaign.send(sending)
    assert (sending.state, len(sink.taken)) == ("finished", 30)


@both
def test_a_pause_lets_nothing_more_go_until_it_is_resumed(stage: Make, sink: Sink) -> None:
    campaign = stage(10)
    sending = campaign.frozen()
    assert lifecycle.pause(campaign.session, campaign.campaign) is not None
    assert lifecycle.pause(campaign.session, campaign.campaign) is None
    campaign.session.commit()
    assert campaign.send(sending) is False
    assert sink.taken == []
    assert lifecycle.resume(campaign.session, campaign.campaign) is not None
    campaign.session.commit()
    campaign.send(sending)
    assert (sending.state, len(sink.taken)) == ("finished", 10)


def test_a_rate_is_held_and_an_even_one(stage: Make, sink: Sink) -> None:
    campaign = stage(30)
    campaign.session.execute(sa.update(DeliveryServer).values(per_second=20))
    campaign.session.commit()
    sending = campaign.frozen()
    campaign.send(sending, seconds=5)
    times = [taken.at for taken in sink.taken]
    assert len(times) == 30
    assert 1.0 < times[-1] - times[0] < 3.0


def test_an_hour_s_limit_counts_what_the_database_knows(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    # Redis knows nothing of a server that has just sent: first what was under way gets its outcome. Here nothing was.
    monkeypatch.setattr("app.delivery.throttle.SETTLED_WITHIN_S", 0)
    campaign = stage(30)
    campaign.session.execute(sa.update(DeliveryServer).values(per_hour=12))
    server_id = campaign.session.scalars(sa.select(DeliveryServer.id)).one()
    hour = utcnow().replace(minute=0, second=0, microsecond=0)
    campaign.session.add(ServerHour(server_id=server_id, hour=hour, mails=5))
    campaign.session.commit()
    sending = campaign.frozen()
    assert campaign.send(sending) is False
    assert len(sink.taken) == 7
    assert campaign.counts(sending).untried == 23


def test_a_test_reaches_its_addresses_and_no_report(stage: Make, sink: Sink) -> None:
    campaign = stage(3)
    people: list[Any] = [lifecycle.TestRecipient("boss@example.net", "Berta"), lifecycle.TestRecipient("BOSS@example.net", "Berta")]
    sending = lifecycle.start_test_sending(campaign.house, campaign.session, campaign.campaign, people)
    campaign.session.commit()
    campaign.send(campaign.freeze(sending))
    assert sending.state == "finished"
    assert len(sink.taken) == 1
    assert b"Berta" in sink.taken[0].data
    assert b"\nSubject: [Test] " in sink.taken[0].data
    assert campaign.campaign.state == "draft"


def test_a_slow_server_gets_small_slices_and_everything_arrives(stage: Make, sink: Sink) -> None:
    campaign = stage(12)
    sink.faults.dot_delay_s = 0.4
    sending = campaign.frozen()
    campaign.send(sending, seconds=10)
    assert (sending.state, len(sink.taken), campaign.counts(sending).sent) == ("finished", 12, 12)


@both
def test_while_the_journal_cannot_be_written_nothing_goes_and_nothing_is_lost(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = stage(20)
    sending = campaign.frozen()
    write, written = SlotJournal.dot, []

    def until_full(journal: SlotJournal, position: int) -> None:
        if len(written) == 5:
            raise JournalFull("The disk of the journal is full.")
        written.append(position)
        write(journal, position)

    with monkeypatch.context() as full:
        full.setattr(SlotJournal, "dot", until_full)
        campaign.send(sending)
    assert (campaign.counts(sending).sent, campaign.counts(sending).in_doubt, sum(sink.copies().values())) == (5, 0, 5)

    make_due(campaign)
    campaign.send(sending)

    assert sink.copies() == {f"p{number}@example.org": 1 for number in range(1, 21)}
    assert campaign.counts(sending).sent == 20


def test_the_next_slice_is_on_the_wire_before_the_last_replies_to_this_one(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    sink.faults.dot_delay_s = 0.05
    streams = []
    deliver = SmtpTransport.deliver
    monkeypatch.setattr(SmtpTransport, "deliver", lambda *arguments: streams.append(1) or deliver(*arguments))
    campaign = stage(60)
    sending = campaign.frozen()
    campaign.send(sending)
    # The first slice has twenty: three or more of them went out, in fewer streams than slices.
    assert campaign.counts(sending).sent == 60
    assert len(streams) < 3


@both
def test_two_slices_on_the_wire_at_once_are_told_apart_in_the_journal(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[bytes] = []
    write = SlotJournal._write
    monkeypatch.setattr(SlotJournal, "_write", lambda slot, line: lines.append(line) or write(slot, line))
    sink.faults.dot_delay_s = 0.05
    campaign = stage(60)
    sending = campaign.frozen()
    campaign.send(sending)
    dots = [line.split() for line in b"".join(lines).splitlines() if line.startswith(b"D")]
    claims = {int(position): claim.decode() for _, _, position, claim in dots}
    rows = campaign.session.execute(sa.select(Recipient.position, Recipient.claim).where(Recipient.sending_id == sending.id)).all()
    campaign.session.commit()
    assert claims == {row.position: row.claim for row in rows}
    assert len(set(claims.values())) >= 2
