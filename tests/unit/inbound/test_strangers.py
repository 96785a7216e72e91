"""What strangers send suppresses nobody and unsubscribes nobody, however much of it there is.

The suite takes some hundred mails; ``LETTERMILL_ROUND_TRIPS=whole`` takes ten thousand.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audience.models import Subscriber, Suppression
from app.delivery.models import Sending
from app.inbound.domains import Ours
from app.inbound.models import InboundEvent, InboundMail
from app.inbound.policy import judge
from app.inbound.reading import read_waiting
from app.inbound.spool import Spool, arrived
from app.inbound.take_in import take_in
from tests.factories import sending as factory
from tests.factories.returns.owns import Sent, send_all
from tests.factories.returns.strangers import Strangers
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

SOME, ALL = 400, 10_000


@pytest.fixture
def sent(app: Flask, sink: Sink) -> Iterator[Sent]:  # noqa: F811
    with app.app_context():
        yield send_all(app, sink)


def take(sent: Sent, number: int) -> Counter[str]:
    """Let strangers' mail come as a listener lets it, and be read; return what became of it."""
    house, seen = sent.house, Counter[str]()
    spool, known = Spool(house.config.data), Ours(house.engine, house.settings, house.tokens, house.config.base_url).now()
    for recipient, data in Strangers(sent.owns, house.tokens, 2026).mails(number):
        if judge(recipient, known).is_refused:
            seen["refused"] += 1
            continue
        spool.put(data, arrived(mfrom="", recipients=(recipient,), way="smtp", client="203.0.113.9", helo="stranger.example"))
    with factory.every_tenant():
        take_in(house, spool)
        while read_waiting(house, 0, 2**31):
            continue
    with house.engine.connect() as connection:
        seen.update({f"{kind} {state}": count for kind, state, count in connection.execute(
            sa.select(InboundMail.kind, InboundMail.state, sa.func.count()).group_by(InboundMail.kind, InboundMail.state))})
        seen["failed"] = connection.scalar(sa.select(sa.func.count()).select_from(InboundMail).where(InboundMail.problem.in_(("failed", "died")))) or 0
    return seen


@pytest.mark.timeout(3600)
def test_ten_thousand_mails_of_strangers_suppress_and_unsubscribe_nobody(sent: Sent) -> None:
    whole = os.environ.get("LETTERMILL_ROUND_TRIPS") == "whole"
    seen = take(sent, ALL if whole else SOME)

    with sent.house.engine.connect() as connection:
        assert connection.execute(sa.select(Suppression.pattern, Suppression.reason)).all() == []
        assert set(connection.execute(sa.select(Subscriber.state, Subscriber.bounce_state == "hard"))) == {("active", False)}
        assert set(connection.execute(sa.select(Sending.complained, Sending.unsubscribed))) == {(0, 0)}
        decided = set(connection.scalars(sa.select(InboundEvent.decision).distinct()))
        keys = set(connection.scalars(sa.select(InboundEvent.matched_by).distinct()))
    # By an address alone a bounce counts softly, once a campaign; nothing else is decided.
    assert (decided, keys) == ({"counted", "counted_before", "noted", "nothing"}, {"window"})
    assert seen["failed"] == 0, seen
    assert seen["refused"] > 40
    assert {"bounce read", "bounce unprocessed", "complaint unprocessed", "unsubscribe unprocessed", "auto-reply read"} <= set(seen), seen
