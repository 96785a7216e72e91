"""Delivery at full strength: mails a second against smtp-source and a Flask-Mail loop, in the same rounds; ledger and journal on."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.config import Config
from app.db import Base
from app.delivery import lifecycle
from app.delivery.compile import compile_sending
from app.delivery.ledger import counts_of
from app.delivery.models import Sending
from app.delivery.people import people_of
from app.delivery.servers import new_key
from app.delivery.slices import Slices
from app.delivery.trips import Circumstances, signer_for, trip_of
from app.house import House
from benches.parts.content import HTML, PLAIN, SUBJECT
from benches.parts.flask_mail_loop import flask_mail_loop
from benches.parts.receivers import SmtpSink, cpu_of, rss_mib_of, smtp_sink, smtp_source
from benches.parts.senders import run_senders
from tests.factories import sending as factory
from tests.services import mariadb

LOOP_MAILS = 1000


@dataclass(slots=True)
class Stage:
    """A house with people in it, the database's process (none for SQLite), and what went before."""

    house: House
    url: str
    data: Path
    sink: SmtpSink
    database_pid: int | None
    loop_database: str


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of ours showed; processor microseconds a mail by part, memory in MiB by process."""

    rate: float
    cpu_us: dict[str, float]
    rss_mib: dict[str, float] = field(default_factory=dict)


@contextlib.contextmanager
def stage(options: argparse.Namespace) -> Iterator[Stage]:
    """Yield an empty house with its list and its server."""
    with tempfile.TemporaryDirectory() as text, smtp_sink() as sink, contextlib.ExitStack() as stack:
        url, pid, loop = f"sqlite:///{Path(text) / 'bench.sqlite3'}", None, ""
        if options.database == "mariadb":
            server = stack.enter_context(mariadb.running(*mariadb.DURABLE))
            url, loop, pid = server.create("bench"), server.create("flask_mail_loop"), _mariadb_pid(server)
        house = factory.make_house(Config(data=Path(text), database_url=url, redis_url="redis://127.0.0.1:1/0", base_url="https://mail.example.com"))
        Base.metadata.create_all(house.engine)
        yield Stage(house, url, Path(text), sink, pid, loop)
        house.engine.dispose()


def _mariadb_pid(server: mariadb.MariaDB) -> int:
    with contextlib.closing(sa.create_engine(server.url("bench")).raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT @@pid_file")
        found = cursor.fetchone()
    assert found is not None
    return int(Path(found[0]).read_text(encoding="ascii"))


def settle_in(at: Stage, options: argparse.Namespace) -> None:
    """Make the account, its list and its delivery server."""
    with factory.every_tenant(), factory.session_of(at.house) as session:
        user = factory.make_user(session)
        people = factory.make_list(session, user, "Everybody", [])
        for start in range(1, options.recipients + 1, 50_000):
            factory.add_people(session, people, [f"p{number}@example.org" for number in range(start, min(start + 50_000, options.recipients + 1))])
            session.commit()
        values: dict[str, Any] = {"connections": options.connections}
        if options.dkim:
            values |= {"dkim_domain": "example.com", "dkim_selector": "lm1", "dkim_kind": options.dkim,
                       "dkim_key_sealed": at.house.secrets.seal(new_key(options.dkim))}
        factory.make_server(session, at.sink.port, **values)
        session.commit()


def frozen(at: Stage) -> int:
    """Start a campaign to everybody and write its recipients down; return the sending."""
    with factory.every_tenant(), factory.session_of(at.house) as session:
        user = session.scalars(sa.select(factory.User)).one()
        people = session.scalars(sa.select(factory.SubscriberList)).one()
        campaign = factory.make_campaign(session, user, [people], html=HTML, plain=PLAIN, subject=SUBJECT)
        session.commit()
        sending = lifecycle.start_campaign_sending(at.house, session, campaign)
        session.commit()
    assert sending is not None
    factory.freeze_whole(at.house, sending.id)
    return int(sending.id)


def building_us(at: Stage, sending_id: int) -> tuple[float, int]:
    """Return what it costs to build a mail (microseconds of processor), and how many bytes it has on the wire."""
    with factory.every_tenant():
        now = Slices(at.house, sending_id, 0).circumstances()
        assert isinstance(now, Circumstances)
        with at.house.engine.connect() as connection:
            rows = people_of(connection, sending_id, range(1, 2001))
        compiled = compile_sending(trip_of(at.house, now), at.house.tokens, signer_for(at.house, now))
    for _ in range(2):
        began, sizes = time.thread_time(), 0
        for _row, mail in compiled.render_many(rows, {}):
            sizes += len(mail.data)
        took = time.thread_time() - began
    return 1e6 * took / len(rows), sizes // len(rows)


def ours(at: Stage, sending_id: int, mails: int, processes: int, building: float) -> Run:
    """Send through so many sender processes, all at once."""
    sink, database = at.sink.cpu_s, _cpu(at.database_pid)
    said, took = run_senders(at.url, at.data, sending_id, processes)
    _check(at, sending_id, mails)
    wire, ledger = (1e6 * sum(one[part] for one in said) / mails for part in ("wire_s", "ledger_s"))
    cpu = {"ledger": ledger, "build": building, "client": wire - building, "database": 1e6 * (_cpu(at.database_pid) - database) / mails,
           "sink": 1e6 * (at.sink.cpu_s - sink) / mails}
    memory = {f"sender {number}": one["rss_mib"] for number, one in enumerate(said, start=1)}
    memory |= {"database": rss_mib_of(at.database_pid)} if at.database_pid else {}
    return Run(mails / took, cpu, memory)


def _cpu(pid: int | None) -> float:
    return 0.0 if pid is None else cpu_of(pid)


def _check(at: Stage, sending_id: int, mails: int) -> None:
    """Whoever is fast and wrong is not fast: every mail is sent and the ledger says so."""
    with at.house.engine.connect() as connection:
        counts = counts_of(connection, sending_id)
        state = connection.scalar(sa.select(Sending.state).where(Sending.id == sending_id))
    if (counts.sent, state) != (mails, "finished"):
        raise SystemExit(f"not everything was sent: {counts}, {state}")


def rounds(at: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in interleaved rounds; return the medians."""
    sources, loops, runs = [], [], []
    for number in range(options.rounds):
        sending_id = frozen(at)
        building, size = building_us(at, sending_id)
        sources.append(smtp_source(at.sink.port, options.recipients, size))
        runs.append(ours(at, sending_id, options.recipients, options.processes, building))
        loops.append(flask_mail_loop(at.sink.port, LOOP_MAILS, at.loop_database))
        print(f"round {number + 1}: smtp-source {sources[-1]:8.0f}/s   ours {runs[-1].rate:8.0f}/s = {runs[-1].rate / sources[-1]:.2f}"
              f"   Flask-Mail loop {loops[-1]:6.0f}/s = {runs[-1].rate / loops[-1]:.0f}x   ({size} bytes a mail)", flush=True)
    middle = statistics.median
    cpu = {part: round(middle(run.cpu_us[part] for run in runs), 1) for part in runs[0].cpu_us}
    rss = {name: round(middle(run.rss_mib[name] for run in runs), 1) for name in runs[0].rss_mib}
    return {"bench": "delivery", "vs_smtp_source": round(middle(run.rate / source for run, source in zip(runs, sources, strict=True)), 2),
            "vs_flask_mail": round(middle(run.rate / loop for run, loop in zip(runs, loops, strict=True)), 1),
            "cpu_us": cpu, "rss_mib": rss, "mails_per_s": round(middle(run.rate for run in runs)), "database": options.database,
            "recipients": options.recipients, "processes": options.processes, "connections": options.connections, "dkim": options.dkim}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="mariadb")
    parser.add_argument("--dkim", choices=("", "ed25519", "rsa2048"), default="")
    options = parser.parse_args()
    with stage(options) as at:
        settle_in(at, options)
        found = rounds(at, options)
    print("processor microseconds a mail: " + "  ".join(f"{part} {value}" for part, value in found["cpu_us"].items()))
    print("memory in MiB: " + "  ".join(f"{name} {value}" for name, value in found["rss_mib"].items())
          + f"  (this program {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f})")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
