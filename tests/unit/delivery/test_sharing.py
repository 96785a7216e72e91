"""Several sender processes share one sending by nothing but the database's claims."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.factories import sending as factory
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage


@pytest.mark.databases("sqlite", "mariadb")
def test_three_senders_mail_everybody_once(stage: Callable[..., Stage], sink: Sink) -> None:
    people = [address for number in range(4) for address in factory.addresses(250, f"domain{number}.example")]
    campaign = stage(people)
    sending = campaign.frozen()
    config = campaign.house.config
    arguments = [config.database_url, str(config.data), config.redis_url, str(sending.id)]
    senders = [subprocess.Popen([sys.executable, "-m", "tests.factories.sender_process", *arguments]) for _ in range(3)]
    assert [sender.wait(60) for sender in senders] == [0, 0, 0]
    campaign.send(sending)
    assert sink.copies() == dict.fromkeys(people, 1)
    assert (sending.state, campaign.counts(sending).sent) == ("finished", len(people))
    assert len(list(config.journal.glob("*.journal"))) > 1
