"""A house of real processes for one chaos run: MariaDB, Valkey, the sink, and the workers as ``./run`` starts them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pymysql
import sqlalchemy as sa

from app import create_app
from app.config import Config
from app.db import db
from app.house import House
from app.settings.sections.system import SystemSettings
from launch.children import tie_to_parent
from launch.options import ROOT
from tests.chaos.servers import Service, Worker, mariadb, valkey
from tests.factories.sending import KEY, make_house

# What the mail servers of a run are like; one sink process, a port for each.
PLAN: dict[str, dict[str, Any]] = {
    "plain": {},
    # Everything that a real server does on a bad day, at rates that a campaign survives.
    "faulty": {"faults": [
        {"verb": "BANNER", "reply": "421 4.3.2 not now", "chance": 0.02}, {"verb": "BANNER", "wait_s": 0.5, "chance": 0.05},
        {"verb": "MAIL", "reply": "421 4.4.2 idle for too long", "chance": 0.001},
        {"verb": "RCPT", "reply": "451 4.2.0 greylisted", "chance": 0.01},
        {"verb": "RCPT", "reply": "550-5.1.1 no such\n550 5.1.1 user here", "chance": 0.005},
        {"verb": "DATA", "reply": "CUT", "chance": 0.001}, {"verb": "DOT", "reply": "452 4.3.1 full", "chance": 0.005},
        {"verb": "DOT", "reply": "CUT", "chance": 0.001}, {"verb": "TAKEN", "reply": "CUT", "chance": 0.0005},
        {"verb": "TAKEN", "wait_s": 0.3, "chance": 0.01, "is_random_wait": True}]},
    # It reads what it is given and takes its time to answer.
    "stalling": {"drip_s": 0.005, "faults": [{"verb": "DATA", "wait_s": 1.5, "is_random_wait": True},
                                             {"verb": "TAKEN", "wait_s": 2.0, "is_random_wait": True}]},
    # The house itself gives this one a mail a second.
    "slow": {},
}
# Written by the database itself, in the transaction that doubts: no doubt escapes it, whoever settles it however soon.
WATCH = (
    "CREATE TABLE chaos_doubts (sending_id INT, position INT, at DOUBLE, KEY (sending_id, position)) ENGINE=InnoDB",
    ("CREATE TRIGGER chaos_doubt AFTER UPDATE ON recipients FOR EACH ROW IF NEW.state = 5 AND OLD.state <> 5 THEN "
     "INSERT INTO chaos_doubts VALUES (NEW.sending_id, NEW.position, UNIX_TIMESTAMP(SYSDATE(6))); END IF"))


@dataclass
class ChaosHouse:
    """Everything that runs, and the way to it. ``house`` is how the harness itself reaches the database and Redis."""

    folder: Path
    database: Service
    redis: Service
    database_url: str
    redis_url: str
    ports: dict[str, int]
    house: House
    workers: list[Worker] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """The sink's log."""
        return self.folder / "sink.log"

    def environ(self) -> dict[str, str]:
        """Return what each process of the house is started with."""
        return {**os.environ, "LETTERMILL_DATA": str(self.folder / "data"), "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url,
                "LETTERMILL_KEY": base64.b64encode(KEY).decode(), "LETTERMILL_BASE_URL": "http://chaos.localhost", "PYTHONUNBUFFERED": "1"}

    def add_worker(self, kind: str, **environ: str) -> Worker:
        """Start one more process of this kind."""
        number = sum(one.kind == kind for one in self.workers) + 1
        worker = Worker(kind, (sys.executable, "-m", "workers", kind), {**self.environ(), **environ}, self.folder / f"{kind}-{number}.log")
        worker.start()
        self.workers.append(worker)
        return worker


@contextmanager
def running(policy: str = "retry", plan: dict[str, dict[str, Any]] | None = None, keep: Path | None = None) -> Iterator[ChaosHouse]:
    """Run the servers and the sink for the length of the block, with every table and no workers; end whatever was started."""
    with TemporaryDirectory(prefix="lm-chaos-", dir="/tmp", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        for name in ("db", "redis", "data"):
            (folder / name).mkdir()
        database, database_url = mariadb(folder / "db")
        redis, redis_url = valkey(folder / "redis")
        database.start()
        redis.start()
        with _sink(folder / "sink.log", PLAN if plan is None else plan) as ports:
            database.wait()
            redis.wait()
            made = ChaosHouse(folder, database, redis, database_url, redis_url, ports, _furnished(folder, database_url, redis_url, policy))
            try:
                yield made
            finally:
                for worker in made.workers:
                    worker.kill()
                made.house.engine.dispose()
                database.kill()
                redis.kill()
                if keep is not None:
                    subprocess.run(["cp", "-r", str(folder), str(keep)], check=False)


@contextmanager
def _sink(log: Path, plan: dict[str, Any]) -> Iterator[dict[str, int]]:
    process = subprocess.Popen([sys.executable, "-m", "tests.services.sink_process", str(log), json.dumps(plan)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=tie_to_parent())  # noqa: PLW1509 - one system call, no locks
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def _furnished(folder: Path, database_url: str, redis_url: str, policy: str) -> House:
    """Make the database, every table, the watch on doubts, and the settings of a run: no wait for evidence."""
    bare = sa.make_url(database_url)
    with pymysql.connect(unix_socket=str(bare.query["unix_socket"]), user="root", autocommit=True) as connection:
        connection.cursor().execute("CREATE DATABASE chaos CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    config = Config(data=folder / "data", database_url=database_url, redis_url=redis_url, base_url="http://chaos.localhost")
    _make_tables(config)
    house = make_house(config)
    with house.engine.begin() as connection:
        for statement in WATCH:
            connection.exec_driver_sql(statement)
    house.settings.save(SystemSettings, {"in_doubt_policy": policy, "in_doubt_wait_minutes": 0}, based_on=None, by="chaos", via="test")
    return house


def _make_tables(config: Config) -> None:
    # As for a test: the logs of the process that runs this are not to be kept in a folder that ends with the run.
    app = create_app(replace(config, testing=True))
    with app.app_context():
        db.create_all()
        db.engine.dispose()
