"""How the house says that it is well, and each way in which it is not."""

from __future__ import annotations

import socket
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy.exc import OperationalError

from app.accounts import sessions
from app.db import make_engine
from app.house import VERSION, House
from app.jobs import QUEUES, SEND
from app.processes import health
from app.processes.heartbeats import PREFIX, Heartbeat, HeartbeatThread, living
from launch.ports import free_port
from tests.factories.customers import words
from tests.factories.signing_in import browser_of, make_administrator

Usage = namedtuple("Usage", "total used free")


def house_of(app: Flask) -> House:
    """Return the app's house."""
    found: House = app.extensions["lettermill"]
    return found


def nowhere() -> Redis:
    """Return a Redis that nobody is: as the house opens it, without tries that take seconds."""
    return Redis.from_url(f"redis://127.0.0.1:{free_port()}")


@contextmanager
def without(app: Flask, *parts: str) -> Iterator[None]:
    """Take the database or Redis away: nothing listens where the house looks for it."""
    whole = house_of(app)
    away = {"redis": nowhere(), "engine": make_engine("sqlite:////nowhere/at/all.sqlite3")}
    app.extensions["lettermill"] = replace(whole, **{part: away[part] for part in parts})
    yield
    app.extensions["lettermill"] = whole


def parts(app: Flask) -> dict[str, health.Part]:
    """Look at every part of the house."""
    house = house_of(app)
    return {part.name: part for part in health.look(house.engine, house.redis, house.config.data, QUEUES)}


def speak(app: Flask, kind: str, pid: int = 1, ago_s: float = 0.0) -> None:
    """Let a process have spoken that long ago."""
    now = time.time() - ago_s
    beat = Heartbeat(f"{kind}@host:{pid}", kind, "host", pid, VERSION, 1, "", now - 60, now)
    house_of(app).redis.set(PREFIX + beat.name, orjson.dumps(asdict(beat)))


def test_a_redis_that_takes_calls_and_says_nothing_is_down_before_the_container_gives_up(app: Flask, client: FlaskClient) -> None:
    whole = house_of(app)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        app.extensions["lettermill"] = replace(whole, redis=Redis.from_url(url, socket_timeout=5))
        began = time.monotonic()
        answer = client.get("/healthz")
        app.extensions["lettermill"] = whole
    assert (answer.status_code, (answer.json or {})["redis"]) == (503, "down")
    assert time.monotonic() - began < 3


@pytest.mark.databases("sqlite", "mariadb")
def test_a_house_that_is_well_says_so_to_anybody_and_sets_no_cookie(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "version": VERSION, "database": "ok", "redis": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert client.head("/healthz").status_code == 200


@pytest.mark.parametrize(("gone", "said"), [
    (["engine"], {"database": "down", "redis": "ok"}), (["redis"], {"database": "ok", "redis": "down"}),
    (["engine", "redis"], {"database": "down", "redis": "down"})])
def test_a_house_without_its_database_or_redis_says_which_and_nothing_more(app: Flask, client: FlaskClient, gone: list[str], said: dict[str, str]) -> None:
    with without(app, *gone):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "unavailable", "version": VERSION, **said})
    assert "nowhere" not in answer.text
    assert client.get("/healthz").status_code == 200, "well again as soon as it is back"


def test_a_redis_that_hangs_is_down_soon(app: Flask, client: FlaskClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        deaf = replace(house_of(app), redis=Redis.from_url(f"redis://127.0.0.1:{silent.getsockname()[1]}", socket_timeout=0.2))
        with patch.dict(app.extensions, {"lettermill": deaf}):
            assert client.get("/healthz").json["redis"] == "down"  # type: ignore[index]


def test_each_process_that_speaks_is_running_and_each_that_does_not_is_named(app: Flask) -> None:
    assert {name: part.word for name, part in parts(app).items() if part.tone == "bad" and name != "Disk"} == dict.fromkeys(
        ["Web", "Senders", "Schedule", "Test mailbox", "Inbound server"], "Silent")
    for kind in ("web", "delivery", "schedule", "mailbox", "intake"):
        speak(app, kind)
    speak(app, "delivery", pid=2)
    seen = parts(app)
    assert [(seen[name].tone, seen[name].fact) for name in ("Web", "Senders", "Schedule", "Test mailbox", "Inbound server")] == [
        ("ok", "1 process"), ("ok", "2 processes"), ("ok", "1 process"), ("ok", "1 process"), ("ok", "1 process")]


def test_a_process_that_has_gone_quiet_is_late_and_all_of_them_are_silent(app: Flask) -> None:
    speak(app, "delivery", pid=1, ago_s=30)
    assert (parts(app)["Senders"].tone, parts(app)["Senders"].fact) == ("bad", "last heard 30 s ago")
    speak(app, "delivery", pid=2)
    assert (parts(app)["Senders"].tone, parts(app)["Senders"].fact) == ("warn", "1 of 2 processes answer")


def test_a_process_that_ends_in_order_is_not_missed(app: Flask) -> None:
    house = house_of(app)
    with house.alive("delivery"):
        assert [beat.kind for beat in living(house.redis)] == ["delivery"]
        assert 0 < house.redis.ttl(living(house.redis) and PREFIX + living(house.redis)[0].name) <= 60
    assert living(house.redis) == []


def test_a_process_goes_on_speaking_when_redis_or_the_database_is_back(app: Flask) -> None:
    house, asked = house_of(app), []

    def revision() -> int:
        asked.append(1)
        return house.settings.revision()

    beat = HeartbeatThread(nowhere(), "web", VERSION, revision, lambda: "")
    beat.beat()
    beat._redis = house.redis
    beat.beat()
    assert len(asked) == 2
    assert [one.kind for one in living(house.redis)] == ["web"]


def test_everything_is_looked_at_while_redis_and_the_database_are_away(app: Flask) -> None:
    with without(app, "redis", "engine"):
        seen = parts(app)
    assert {name: part.word for name, part in seen.items() if name != "Disk"} == {
        "Web": "Unknown", "Senders": "Unknown", "Schedule": "Unknown", "Test mailbox": "Unknown", "Inbound server": "Unknown",
        "Database": "Down", "Queue": "Down", "Clock": "Right"}


def test_what_waits_is_counted(app: Flask) -> None:
    assert parts(app)["Queue"].fact == "empty"
    for number in range(3):
        house_of(app).jobs.ring(SEND, sending=number)
    assert parts(app)["Queue"].fact == "3 jobs wait"


@pytest.mark.parametrize(("free", "tone"), [(50, "ok"), (11, "ok"), (10, "bad"), (1, "bad")])
def test_a_disk_that_runs_full_is_said(app: Flask, free: int, tone: str) -> None:
    with patch.object(health.shutil, "disk_usage", return_value=Usage(100 * 2**30, (100 - free) * 2**30, free * 2**30)):
        disk = parts(app)["Disk"]
    assert (disk.tone, disk.fact) == (tone, f"{free} % free, {free} GiB")


@pytest.mark.databases("mariadb")
def test_a_clock_that_is_not_the_database_s_is_said(app: Flask) -> None:
    assert parts(app)["Clock"].tone == "ok"
    with patch.object(health, "_database_time", return_value=datetime.now(UTC) - timedelta(seconds=5)):
        assert (parts(app)["Clock"].tone, parts(app)["Clock"].word) == ("warn", "Off")


def test_a_data_folder_that_is_gone_is_said_and_does_not_break_the_page(app: Flask) -> None:
    house = house_of(app)
    seen = {part.name: part for part in health.look(house.engine, house.redis, Path("/nowhere/at/all"), QUEUES)}
    assert (seen["Disk"].tone, seen["Disk"].word) == ("bad", "Unknown")


def test_the_page_shows_all_of_it_even_while_redis_is_away(app: Flask) -> None:
    maya = browser_of(app, make_administrator(app))
    assert "no process has spoken for a minute" in words(maya.get("/admin/system/").text)
    with without(app, "redis"):
        page = maya.get("/admin/system/")
    assert page.status_code == 200
    assert "Redis does not answer" in words(page.text)


@pytest.mark.parametrize("url", ["/admin/", "/admin/system/", "/user/campaigns/"])
def test_somebody_who_is_signed_in_is_told_that_the_database_is_away_and_stays_signed_in(app: Flask, url: str) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False  # As it is served: what no page of ours catches would be the web server's bare 500.
    maya = browser_of(app, make_administrator(app))
    assert maya.get("/admin/").status_code == 200
    with patch.object(sessions, "find", side_effect=OperationalError("SELECT", {}, OSError("gone"))):
        for answer in (maya.get(url), maya.post("/admin/test-mailbox/delete-all"), maya.get(url, headers={"HX-Request": "true"})):
            assert answer.status_code == 503
            assert "The database does not answer" in words(answer.text)
            assert "Set-Cookie" not in answer.headers
        assert "Try again now" in words(maya.get(url).text)
        assert maya.get("/healthz").status_code == 200
        assert maya.get("/sign-in").status_code == 200
        assert maya.get("/nowhere").status_code == 404
    assert maya.get("/admin/").status_code == 200
