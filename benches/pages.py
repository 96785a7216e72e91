"""How long a page takes: the ten most used pages, with 100,000 subscribers and a campaign that went to all of them, on both databases.

The pages are served as in earnest (gunicorn with launch/web.py, two processes) and asked for one after the other over one connection, by a
browser that is signed in. A time runs from the first byte of the request to the last of the answer.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import sessions
from app.accounts.models import Administrator, User
from app.accounts.passwords import hash_password
from app.campaigns.models import Campaign
from app.config import Config
from app.db import Base, table_of, utcnow
from app.delivery import lifecycle
from app.delivery.models import Link, Recipient, Sending, SendingMinute, TrackingEvent
from app.house import House
from benches.parts.content import HTML, PLAIN
from benches.parts.databases import databases
from benches.parts.receivers import smtp_sink
from launch.options import ROOT
from launch.ports import free_port
from tests.factories import sending as factory
from tests.services import valkey
from tests.services.processes import server

PEOPLE = 100_000
EVENTS = 60_000
PAGES = {
    "dashboard": "/user/", "lists": "/user/lists/", "list": "/user/lists/{list}", "search": "/user/lists/{list}?q=p77",
    "subscriber": "/user/subscribers/{person}",
    "campaigns": "/user/campaigns/", "editor": "/user/campaigns/{draft}/edit", "report": "/user/campaigns/{campaign}/report",
    "recipients": "/user/campaigns/{campaign}/recipients?state=sent", "settings": "/admin/settings/email-delivery/"}


@dataclass(frozen=True, slots=True)
class Place:
    """A house with people in it: numbers for the addresses of pages, and who is signed in where."""

    numbers: dict[str, int]
    user: str
    administrator: str


@contextlib.contextmanager
def house_on(database: str, people: int) -> Iterator[tuple[int, Place]]:
    """Fill a database and serve the pages over it; yield their port and what is there."""
    with tempfile.TemporaryDirectory() as text, databases(database, Path(text)) as url, valkey.running(Path(text)) as redis_url:
        house = factory.make_house(Config(data=Path(text), database_url=url, redis_url=redis_url))
        Base.metadata.create_all(house.engine)
        place = _fill(house, people)
        house.engine.dispose()
        port = free_port()
        environment = {"LETTERMILL_DATA": text, "DATABASE_URL": url, "REDIS_URL": redis_url, "LETTERMILL_PORT": str(port), "PYTHONPATH": str(ROOT),
                       "LETTERMILL_KEY": base64.b64encode(factory.KEY).decode()}
        with _environment(environment):
            gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:launch.web", "wsgi:application"]
            with server(gunicorn, lambda: _answers(port), Path(text) / "web.log"):
                yield port, place


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _answers(port: int) -> bool:
    try:
        return _get(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/healthz", "")[0] == 200
    except OSError:
        return False


def _get(connection: http.client.HTTPConnection, path: str, cookie: str) -> tuple[int, int]:
    connection.request("GET", path, headers={"Cookie": f"lettermill={cookie}", "Accept-Encoding": "identity"})
    answer = connection.getresponse()
    return answer.status, len(answer.read())


# ---------------------------------------------------------------------------------------------------------------- filling


def _fill(house: House, people: int) -> Place:
    with factory.every_tenant(), factory.session_of(house) as session, smtp_sink() as sink:
        user = factory.make_user(session)
        everybody = factory.make_list(session, user, "Everybody", factory.addresses(people))
        everybody.total_count = everybody.active_count = people
        campaign = factory.make_campaign(session, user, [everybody], html=HTML, plain=PLAIN)
        drafts = [factory.make_campaign(session, user, [everybody], name=f"Campaign {number}", html=HTML, plain=PLAIN) for number in range(40)]
        factory.make_server(session, sink.port)
        root = Administrator(username="root", first_name="Root", email="root@example.com", is_super=True, password_hash=hash_password("mill pond heron"))
        session.add(root)
        session.commit()
        _send(house, session, campaign)
        _happen(session, people)
        numbers = {"list": everybody.id, "campaign": campaign.id, "draft": drafts[0].id, "person": people // 2}
        return Place(numbers, _signed_in(house, user, "user"), _signed_in(house, root, "administrator"))


def _send(house: House, session: Session, campaign: Campaign) -> None:
    sending = lifecycle.start_campaign_sending(house, session, campaign)
    session.commit()
    assert sending is not None
    factory.freeze_whole(house, sending.id)
    factory.send_whole(house, sending.id)


def _happen(session: Session, people: int) -> None:
    """Let many open and click, over three days, as the drain writes it."""
    sending = session.scalars(sa.select(Sending)).one()
    links = list(session.scalars(sa.select(Link.number).where(Link.sending_id == sending.id)))
    began = utcnow() - timedelta(days=3)
    session.execute(sa.insert(TrackingEvent), [
        {"sending_id": sending.id, "position": 1 + number % people, "kind": "click" if number % 5 == 0 else "open",
         "link": links[number % len(links)] if number % 5 == 0 else None, "at": began + timedelta(seconds=4 * number)} for number in range(EVENTS)])
    session.execute(sa.insert(SendingMinute), [
        {"sending_id": sending.id, "minute": (began + timedelta(minutes=minute)).replace(second=0, microsecond=0), "opens": 12, "clicks": 3}
        for minute in range(3 * 24 * 60)])
    rows = table_of(Recipient)
    session.execute(sa.update(rows).where(rows.c.position <= EVENTS // 2).values(opened_at=utcnow()))
    session.execute(sa.update(Sending).values(opens=EVENTS, opened=EVENTS // 2, clicks=EVENTS // 5, clicked=EVENTS // 6))
    session.commit()


def _signed_in(house: House, person: User | Administrator, kind: str) -> str:
    key = sessions.begin(house.engine, (kind, person.id, person.epoch), {"_user_id": f"{kind}:{person.id}", "_fresh": True}, "127.0.0.1", "bench")
    return f"s.{key}"


# -------------------------------------------------------------------------------------------------------------- measuring


def measure(database: str, people: int, rounds: int) -> dict[str, list[float]]:
    """Return the times of each page in milliseconds; the first two rounds warm the processes and are not counted."""
    times: dict[str, list[float]] = {name: [] for name in PAGES}
    with house_on(database, people) as (port, place):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for number in range(rounds + 2):
            for name, path in PAGES.items():
                took = _timed(connection, path.format(**place.numbers), place.administrator if path.startswith("/admin") else place.user)
                times[name] += [took] if number > 1 else []
    return times


def _timed(connection: http.client.HTTPConnection, path: str, cookie: str) -> float:
    began = time.perf_counter()
    status, _size = _get(connection, path, cookie)
    took = 1000 * (time.perf_counter() - began)
    if status != 200:
        raise RuntimeError(f"{path} answers {status}")
    return took


def p95(times: list[float]) -> float:
    """Return what 95 of 100 stay under."""
    return statistics.quantiles(times, n=20)[-1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--database", choices=("sqlite", "mariadb", "both"), default="both")
    options = parser.parse_args()
    names = ("sqlite", "mariadb") if options.database == "both" else (options.database,)
    found = {name: measure(name, options.people, options.rounds) for name in names}
    print(f"{'page':12} {'address':42}" + "".join(f"{f'{name} p50':>13}{'p95 ms':>9}" for name in names))
    for page, path in PAGES.items():
        print(f"{page:12} {path:42}" + "".join(f"{statistics.median(found[name][page]):13.1f}{p95(found[name][page]):9.1f}" for name in names))
    every = [took for times in found.values() for of_page in times.values() for took in of_page]
    slowest = max(((p95(of_page), f"{page} on {name}") for name, times in found.items() for page, of_page in times.items()))[1]
    print(json.dumps({"bench": "pages", "p50_ms": round(statistics.median(every), 1), "p95_ms": round(p95(every), 1), "slowest": slowest}))


if __name__ == "__main__":
    main()
