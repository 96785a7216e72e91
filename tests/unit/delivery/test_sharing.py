"""Several sender processes share one sending by nothing but the database's claims."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.factories import sending as factory
from tests.factories.sender_process import senders
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage


@pytest.mark.databases("sqlite", "mariadb")
def test_three_senders_mail_everybody_once(stage: Callable[..., Stage], sink: Sink) -> None:
    people = [address for number in range(4) for address in factory.addresses(250, f"domain{number}.example")]
    campaign = stage(people)
    sending = campaign.frozen()
    config = campaign.house.config
    sink.faults.dot_delay_s = 0.01
    with ExitStack() as stack, ThreadPoolExecutor(3) as threads:
        three = [stack.enter_context(senders(config.data / f"sender-{number}.log")) for number in range(3)]
        assert list(threads.map(lambda one: one.run(config, sending.id, ""), three)) == [0, 0, 0]
    campaign.look_again(sending)
    assert sink.copies() == dict.fromkeys(people, 1)
    assert (sending.state, campaign.counts(sending).sent) == ("finished", len(people))
    assert len(list(config.journal.glob("*.journal"))) > 1
