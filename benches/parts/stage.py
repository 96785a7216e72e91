"""Where deliveries are measured: an empty house on a real database, a sink, an account with a list and a server, and campaigns frozen for it."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.config import Config
from app.db import Base, reading
from app.delivery import lifecycle
from app.delivery.ledger import Counts, counts_of
from app.delivery.models import Sending
from app.delivery.servers import new_key
from app.house import House
from benches.parts.content import HTML, PLAIN, SUBJECT
from benches.parts.receivers import SmtpSink, smtp_sink
from tests.factories import sending as factory
from tests.services import mariadb

AT_ONCE = 50_000


@dataclass(slots=True)
class Stage:
    """A house, the database's process (none for SQLite), and the sink that its server leads to at first."""

    house: House
    url: str
    data: Path
    sink: SmtpSink
    database_pid: int | None
    loop_database: str


@contextlib.contextmanager
def stage(database: str) -> Iterator[Stage]:
    """Yield an empty house on ``sqlite`` or ``mariadb``; MariaDB flushes its log at every commit, as it must in earnest."""
    with tempfile.TemporaryDirectory() as text, smtp_sink() as sink, contextlib.ExitStack() as stack:
        url, pid, loop = f"sqlite:///{Path(text) / 'bench.sqlite3'}", None, ""
        if database == "mariadb":
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


def settle_in(at: Stage, options: argparse.Namespace, port: int = 0) -> None:
    """Make the account and its delivery server; ``port`` is that of another receiver than the sink."""
    with factory.every_tenant(), factory.session_of(at.house) as session:
        factory.make_user(session)
        values: dict[str, Any] = {"connections": options.connections}
        if options.dkim:
            values |= {"dkim_domain": "example.com", "dkim_selector": "lm1", "dkim_kind": options.dkim,
                       "dkim_key_sealed": at.house.secrets.seal(new_key(options.dkim))}
        factory.make_server(session, port or at.sink.port, **values)
        session.commit()


def list_of(at: Stage, number: int) -> int:
    """Make a list of so many people; return its number."""
    with factory.every_tenant(), factory.session_of(at.house) as session:
        people = factory.make_list(session, session.scalars(sa.select(factory.User)).one(), f"List of {number}", [])
        for start in range(1, number + 1, AT_ONCE):
            factory.add_people(session, people, [f"p{each}@example.org" for each in range(start, min(start + AT_ONCE, number + 1))])
            session.commit()
        return people.id


def frozen(at: Stage, list_id: int) -> int:
    """Start a campaign to everybody on a list and write its recipients down; return the sending."""
    with factory.every_tenant(), factory.session_of(at.house) as session:
        user = session.scalars(sa.select(factory.User)).one()
        people = session.get_one(factory.SubscriberList, list_id)
        campaign = factory.make_campaign(session, user, [people], html=HTML, plain=PLAIN, subject=SUBJECT)
        session.commit()
        sending = lifecycle.start_campaign_sending(at.house, session, campaign)
        session.commit()
    assert sending is not None
    factory.freeze_whole(at.house, sending.id)
    return int(sending.id)


def counts(at: Stage, sending_id: int) -> Counts:
    """Return how far a sending is, by the sums of its batches; nobody waits for this look."""
    with reading(), at.house.engine.connect() as connection:
        return counts_of(connection, sending_id)


def check_all_sent(at: Stage, sending_id: int, mails: int) -> None:
    """Whoever is fast and wrong is not fast: every mail is sent and the ledger says so."""
    found = counts(at, sending_id)
    with reading(), at.house.engine.connect() as connection:
        state = connection.scalar(sa.select(Sending.state).where(Sending.id == sending_id))
    if (found.sent, state) != (mails, "finished"):
        raise SystemExit(f"not everything was sent: {found}, {state}")
