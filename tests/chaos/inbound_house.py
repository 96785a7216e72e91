"""A house that mail comes back to, of real processes: database, Valkey, intake, workers and schedule; and people who were mailed."""

from __future__ import annotations

import base64
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from app import create_app
from app.config import Config
from app.db import db, utcnow
from app.delivery import lifecycle
from app.delivery.crash import KILLED
from app.delivery.ledger import RECIPIENTS, State
from app.house import House
from app.settings.sections.spam_complaint import SpamComplaint
from launch.ports import free_port
from tests.chaos.forking import Forked, Forker
from tests.chaos.servers import mariadb, valkey
from tests.factories import sending as factory
from tests.factories.sending import KEY, make_house

AGAIN_S = 0.5
MFROM, LOOPS = "returns.example", "fbl@loops.example"
# Where a process of each kind may be told to end itself.
PLACES = {"intake": ("after_keep", "in_take_in", "after_take_in", "after_unlink"), "inbound": ("after_begin", "in_act", "after_act"),
          "schedule": ("in_take_in", "after_take_in", "after_unlink")}


class Doomed:
    """A process that is now and then told to end itself at a named place, at whichever passing; ``places`` are those at which it did.

    When it has ended it is started again after half a second, as by the supervisor.
    """

    def __init__(self, kind: str, forker: Forker, log: Path, dice: random.Random, doomed: float) -> None:
        self.kind, self._forker, self._log, self._dice, self._doomed = kind, forker, log, dice, doomed
        self._place, self._ended_at = "", 0.0
        self.places: list[str] = []
        self.start()

    @property
    def pid(self) -> int:
        """The number of its process, 0 where none runs."""
        return self._process.pid if self._process.poll() is None else 0

    def start(self) -> None:
        """Start it, under a doom or without."""
        self._place = self._dice.choice(PLACES[self.kind]) if self._dice.random() < self._doomed else ""
        where = f"{self._place}:{self._dice.randrange(1, 16)}" if self._place else ""
        self._process, self._ended_at = Forked(self._forker, self.kind, str(self._log), where), 0.0

    def kill(self) -> None:
        """SIGKILL."""
        if self.pid:
            self._process.kill()
            self._process.wait()

    def spare(self) -> None:
        """Put it under no doom any more, from its next start on; one that is under a doom starts anew."""
        self._doomed = 0.0
        if self._place:
            self.kill()

    def look_after(self) -> None:
        """Note where it ended, if it did so by itself, and start it again."""
        if self.pid:
            return
        if not self._ended_at:
            self._ended_at = time.monotonic()
            self.places += [self._place] if self._process.poll() == KILLED else []
        if time.monotonic() - self._ended_at >= AGAIN_S:
            self.start()


@dataclass
class InboundHouse:
    """Everything that runs. ``mailed``: number and size of each sending, all of them to the same people."""

    folder: Path
    house: House
    port: int
    forker: Forker | None = None
    mailed: dict[int, int] = field(default_factory=dict)
    workers: list[Doomed] = field(default_factory=list)

    def add_worker(self, kind: str, dice: random.Random, doomed: float) -> None:
        """Start one more process of this kind."""
        assert self.forker is not None
        number = sum(one.kind == kind for one in self.workers) + 1
        self.workers.append(Doomed(kind, self.forker, self.folder / f"{kind}-{number}.log", dice, doomed))


@contextmanager
def running(database: str, people: int, campaigns: int, keep: Path | None = None) -> Iterator[InboundHouse]:
    """Run the servers for the length of the block, with campaigns that were sent and no workers; end whatever was started."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lm-inbound-", dir="/tmp", ignore_cleanup_errors=True)))
        for name in ("db", "redis", "data"):
            (folder / name).mkdir()
        redis, redis_url = valkey(folder / "redis")
        redis.start()
        stack.callback(redis.kill)
        redis.wait()
        url = _database(database, folder, stack)
        config = Config(data=folder / "data", database_url=url, redis_url=redis_url, base_url="http://chaos.localhost")
        made = InboundHouse(folder, _furnished(config), free_port())
        _mail(made, people, campaigns)
        made.forker = Forker(_environ(config, made.port))
        stack.callback(made.forker.close)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()
            made.house.engine.dispose()
            if keep is not None:
                subprocess.run(["cp", "-r", str(folder), str(keep)], check=False)


def _database(name: str, folder: Path, stack: ExitStack) -> str:
    if name == "sqlite":
        return f"sqlite:///{folder / 'db' / 'chaos.sqlite3'}"
    service, url = mariadb(folder / "db")
    service.start()
    stack.callback(service.kill)
    service.wait()
    bare = sa.make_url(url)
    engine = sa.create_engine(bare.set(database="mysql"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE DATABASE chaos CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    engine.dispose()
    return url


def _environ(config: Config, port: int) -> dict[str, str]:
    return {**os.environ, "LETTERMILL_DATA": str(config.data), "DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url,
            "LETTERMILL_KEY": base64.b64encode(KEY).decode(), "LETTERMILL_BASE_URL": config.base_url, "LETTERMILL_INBOUND_PORT": str(port),
            "PYTHONUNBUFFERED": "1"}


def _furnished(config: Config) -> House:
    app = create_app(replace(config, testing=True))
    with app.app_context():
        db.create_all()
        db.engine.dispose()
    house = make_house(config)
    house.settings.save(SpamComplaint, {"fbl_email": LOOPS}, based_on=None, by="chaos", via="test")
    return house


def _mail(made: InboundHouse, people: int, campaigns: int) -> None:
    """Write campaigns down as sent: what sending is like is tried elsewhere."""
    with factory.every_tenant(), factory.session_of(made.house) as session:
        user = factory.make_user(session)
        factory.make_server(session, 1, mfrom=MFROM)
        members = factory.make_list(session, user, "Everybody", [f"p{number}@d{number % 7}.example.org" for number in range(1, people + 1)])
        for _ in range(campaigns):
            campaign = factory.make_campaign(session, user, [members])
            session.commit()
            sending = lifecycle.start_campaign_sending(made.house, session, campaign)
            session.commit()
            assert sending is not None
            factory.freeze_whole(made.house, sending.id)
            made.mailed[sending.id] = people
    with made.house.engine.begin() as connection:
        connection.execute(sa.update(RECIPIENTS).values(state=State.SENT, settled_at=utcnow()))
        connection.execute(sa.text("UPDATE batches SET state = 'done'"))
        connection.execute(sa.text("UPDATE sendings SET state = 'finished'"))
