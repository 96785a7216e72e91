"""Seconds from 202 to the dot: transactional mails over the API while a campaign runs on the same server, and what one of them costs."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import create_app, posting
from app.accounts import keys
from app.accounts.models import User
from app.config import Config
from app.db import EVERY_TENANT, Base, scoped_to
from app.delivery import lifecycle
from app.delivery.ledger import counts_of
from app.house import House
from app.jobs import SEND
from tests.factories import sending as factory
from tests.services import mariadb, valkey
from tests.services.sink import Sink

PATH = "/api/v1/transactional"
HTML = "<html><body><h1>Thank you, %Value:Name%</h1>" + "<p>A paragraph of an ordinary receipt, as long as such paragraphs are.</p>" * 20 + "</body></html>"
BODY: dict[str, Any] = {"from": {"email": "shop@example.com", "name": "Shop"}, "subject": "Your order, %Value:Name%", "html": HTML, "values": {"Name": "Anna"}}
STARTS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What the bench stands on: a house with pages, its workers, and the server that takes everything."""

    house: House
    client: Any
    key: str
    user: User
    campaign: int
    sink: Sink


@contextmanager
def ground(people: int, per_second: int | None) -> Iterator[Ground]:
    """Set everything up: MariaDB that flushes at every commit, Redis, a frozen campaign; no worker yet."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(mariadb.running())
        server.run("SET GLOBAL innodb_flush_log_at_trx_commit=1")
        config = Config(data=folder, database_url=server.create("bench"), redis_url=stack.enter_context(valkey.running(folder)),
                        base_url="http://mail.example.com")
        sink = Sink().start()
        stack.callback(sink.stop)
        app = create_app(config)
        house: House = app.extensions["lettermill"]
        Base.metadata.create_all(house.engine)
        yield _settled(app, house, sink, people, per_second)
        house.engine.dispose()


def _settled(app: Any, house: House, sink: Sink, people: int, per_second: int | None) -> Ground:
    with scoped_to(EVERY_TENANT), factory.session_of(house) as session:
        user, other = factory.make_user(session), factory.make_user(session, "mara")
        everybody = factory.make_list(session, other, "Everybody", factory.addresses(people, "campaign.example"))
        campaign = factory.make_campaign(session, other, [everybody])
        factory.make_server(session, sink.port, connections=4, per_second=per_second)
        session.commit()
        sending = lifecycle.start_campaign_sending(house, session, campaign)
        key, _group = keys.make_key(session, user), user.group.limits
        session.commit()
    assert sending is not None
    factory.freeze_whole(house, sending.id)
    return Ground(house, app.test_client(), key, user, sending.id, sink)


@contextmanager
def workers(house: House) -> Iterator[None]:
    """Run the two processes that send, as the house runs them."""
    config = house.config
    environ = {**os.environ, "DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url, "LETTERMILL_DATA": str(config.data),
               "LETTERMILL_BASE_URL": config.base_url}
    started = [subprocess.Popen([sys.executable, "-m", "workers", name], env=environ) for name in ("transactional", "delivery")]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def latencies(on: Ground, mails: int, pause_s: float) -> tuple[list[float], int]:
    """Ask for mails one after the other while the campaign runs; return the seconds of each, and what of the campaign went meanwhile."""
    with workers(on.house):
        on.house.jobs.ring(SEND, sending=on.campaign)
        on.sink.wait_for(200, STARTS_WITHIN_S)
        before, answered = _campaign_mails(on), {}
        for number in range(mails):
            answer = on.client.post(PATH, json=BODY | {"to": f"t{number}@receipt.example"}, headers={"Authorization": f"Bearer {on.key}"})
            assert answer.status_code == 202, answer.text
            answered[f"t{number}@receipt.example"] = time.monotonic()
            time.sleep(pause_s)
        during = _campaign_mails(on) - before
        found = _arrived(on.sink, set(answered))
    return sorted(found[address] - moment for address, moment in answered.items()), during


def _campaign_mails(on: Ground) -> int:
    return sum(taken.rcpt_to.endswith("@campaign.example") for taken in list(on.sink.taken))


def _arrived(sink: Sink, wanted: set[str]) -> dict[str, float]:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        found = {taken.rcpt_to: taken.at for taken in list(sink.taken) if taken.rcpt_to in wanted}
        if len(found) == len(wanted):
            return found
        time.sleep(0.1)
    raise RuntimeError(f"{len(wanted) - len(found)} transactional mails did not come")


def cost(on: Ground, mails: int) -> tuple[float, float]:
    """Return CPU µs of this process for taking one mail, and for sending one (database, wire and the ledger's thread; sink included)."""
    began = time.process_time()
    for number in range(mails):
        posting.post(on.house, on.user, BODY | {"to": f"c{number}@cost.example"}, None)
    taken = time.process_time() - began
    with scoped_to(EVERY_TENANT), factory.session_of(on.house) as session:
        stream = session.scalars(factory.sa.select(lifecycle.Sending.id).where(lifecycle.Sending.kind == "transactional")).one()
    began = time.process_time()
    factory.send_whole(on.house, stream)
    sent = time.process_time() - began
    with on.house.engine.connect() as connection:
        assert counts_of(connection, stream).untried == 0
    return 1e6 * taken / mails, 1e6 * sent / mails


def at(sorted_seconds: Sequence[float], share: float) -> float:
    """Return the value that this share of the values is not over."""
    return round(sorted_seconds[min(len(sorted_seconds) - 1, int(share * len(sorted_seconds)))], 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=60_000)
    parser.add_argument("--mails", type=int, default=300)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two requests")
    parser.add_argument("--per-second", type=int, default=None, help="limit of the server that both share")
    options = parser.parse_args()
    with ground(options.recipients, options.per_second) as on:
        seconds, during = latencies(on, options.mails, options.pause)
        taking, sending = cost(on, options.mails) if options.per_second is None else (0.0, 0.0)
    print(json.dumps({"bench": "transactional", "mails": options.mails, "per_second": options.per_second, "campaign_mails_meanwhile": during,
                      "p50_s": at(seconds, 0.5), "p99_s": at(seconds, 0.99), "max_s": round(seconds[-1], 3), "take_cpu_us": round(taking),
                      "send_cpu_us": round(sending)}))


if __name__ == "__main__":
    main()
