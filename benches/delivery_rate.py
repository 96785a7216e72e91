"""Mails a second: one campaign into Postfix's smtp-sink, on SQLite and on MariaDB, ledger and journal on."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.config import Config
from app.db import Base
from app.delivery import lifecycle
from app.delivery.ledger import Counts, counts_of
from app.house import House
from launch.ports import free_port
from tests.factories import sending as factory
from tests.services import mariadb
from tests.services.processes import binary

TEXT = "A paragraph of an ordinary newsletter, as long as such paragraphs are, with nothing in it that would need quoting. " * 3
HTML = ("<html><body><h1>Hello %Subscriber:FirstName|friend%</h1>" + f"<p>{TEXT}</p>" * 24
        + "".join(f'<p><a href="https://shop.example/{number}">Offer {number}</a></p>' for number in range(1, 4))
        + '<p>%Subscriber:EmailAddress% is on %List:ListName%. <a href="%Link:WebBrowser%">View</a></p>'
          '<p><a href="%Link:Unsubscribe%">Unsubscribe</a></p></body></html>')
PLAIN = f"Hello %Subscriber:FirstName|friend%\n\n{TEXT}\n\nUnsubscribe: %Link:Unsubscribe%\n"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one database showed."""

    database: str
    freeze_s: float
    send_s: float
    cpu_us: float
    counts: Counts

    @property
    def rate(self) -> float:
        """Mails a second, from the first claim to the last outcome."""
        return self.counts.sent / self.send_s


@contextlib.contextmanager
def smtp_sink() -> Iterator[int]:
    """Run Postfix's smtp-sink; yield its port."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [binary("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def databases(name: str, folder: Path) -> Iterator[str]:
    """Yield the address of an empty database of this kind; MariaDB flushes its log at every commit, as it must in earnest."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
        return
    with mariadb.running() as server:
        server.run("SET GLOBAL innodb_flush_log_at_trx_commit=1")
        yield server.create("bench")


def measure(name: str, recipients: int, connections: int) -> Figures:
    """Send one campaign through one sender process."""
    with tempfile.TemporaryDirectory() as text, smtp_sink() as port, databases(name, Path(text)) as url:
        house = factory.make_house(Config(data=Path(text), database_url=url, redis_url="redis://127.0.0.1:1/0", base_url="https://mail.example.com"))
        Base.metadata.create_all(house.engine)
        sending_id = _start(house, port, recipients, connections)
        freeze_s = _freeze(house, sending_id)
        cpu, began = _cpu(), time.monotonic()
        factory.send_whole(house, sending_id)
        send_s, used = time.monotonic() - began, _cpu() - cpu
        with house.engine.connect() as connection:
            counts = counts_of(connection, sending_id)
        house.engine.dispose()
    return Figures(name, freeze_s, send_s, 1e6 * used / recipients, counts)


def _start(house: House, port: int, recipients: int, connections: int) -> int:
    with factory.every_tenant(), factory.session_of(house) as session:
        user = factory.make_user(session)
        people = factory.make_list(session, user, "Everybody", factory.addresses(recipients))
        campaign = factory.make_campaign(session, user, [people], html=HTML, plain=PLAIN)
        factory.make_server(session, port, connections=connections)
        session.commit()
        sending = lifecycle.start_campaign_sending(house, session, campaign)
        session.commit()
    assert sending is not None
    return sending.id


def _freeze(house: House, sending_id: int) -> float:
    began = time.monotonic()
    factory.freeze_whole(house, sending_id)
    return time.monotonic() - began


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--database", choices=("sqlite", "mariadb", "both"), default="both")
    options = parser.parse_args()
    names = ("sqlite", "mariadb") if options.database == "both" else (options.database,)
    found = [measure(name, options.recipients, options.connections) for name in names]
    print(f"{'database':10} {'freeze s':>9} {'send s':>8} {'mails/s':>9} {'CPU µs/mail':>12} {'sent':>8} {'other':>6}")
    for one in found:
        other = one.counts.total - one.counts.sent
        print(f"{one.database:10} {one.freeze_s:9.2f} {one.send_s:8.2f} {one.rate:9.0f} {one.cpu_us:12.0f} {one.counts.sent:8} {other:6}")
    print(json.dumps({"bench": "delivery_rate", "recipients": options.recipients, **{one.database: round(one.rate) for one in found}}))


if __name__ == "__main__":
    main()
