"""The inhabited house that contracts are tried on: made once, put back as it was after whatever a test did to it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from redis import Redis
from werkzeug.test import TestResponse

from app import create_app
from app.config import Config
from app.db import db
from tests.factories.town import Town, settle
from tests.services.templates import compiled_once


@dataclass(slots=True)
class Inhabited:
    """A house with people in it, and the means to knock at its doors as each of them."""

    app: Flask
    town: Town
    file: Path
    watcher: sqlite3.Connection
    kept: sqlite3.Connection

    def knock(self, method: str, path: str, *, cookie: str = "", key: str = "", panel: bool = False, token: bool = True, **options: object) -> TestResponse:
        """Send one request: as a signed-in browser, with a key, or as nobody. Forms carry a good CSRF token unless told otherwise."""
        client: FlaskClient = self.app.test_client()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        client.set_cookie("lettermill", self.town.cookies[cookie] if cookie else self._nobody())
        if token:
            headers["X-CSRFToken"] = str(URLSafeTimedSerializer(self.app.secret_key or "", salt="wtf-csrf-token").dumps("0" * 40))
        if panel:
            headers["HX-Request"] = "true"
        return client.open(path, method=method, headers=headers, buffered=True, **options)  # type: ignore[arg-type]

    def _nobody(self) -> str:
        """The cookie of a browser that has seen a form and is signed in as nobody."""
        return str(SecureCookieSessionInterface().get_signing_serializer(self.app).dumps({"csrf_token": "0" * 40}))  # type: ignore[union-attr]

    def version(self) -> int:
        """A number that differs whenever anything was committed to the database since."""
        return int(self.watcher.execute("PRAGMA data_version").fetchone()[0])

    def rows(self) -> dict[str, set[str]]:
        """Every row of every table, as text."""
        tables = [name for (name,) in self.watcher.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: {repr(row) for row in self.watcher.execute(f'SELECT * FROM "{name}"')} for name in tables}  # noqa: S608 - our own tables' names

    def keep(self) -> None:
        """Remember the database as it is now."""
        self.watcher.backup(self.kept)

    def put_back(self) -> None:
        """Make the database what it was when it was last kept."""
        with self.app.app_context():
            db.session.remove()
        self.kept.backup(self.watcher)


@contextmanager
def settled(tables: Path, folder: Path, redis_url: str, **deployment: Any) -> Iterator[Inhabited]:
    """Put up a house in a folder and let people move in; ``deployment`` is what its configuration says besides."""
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    file = folder / "town.sqlite3"
    shutil.copyfile(tables, file)
    app = compiled_once(create_app(Config(data=folder, database_url=f"sqlite:///{file}", redis_url=redis_url, base_url="http://localhost",
                                          testing=True, **deployment)))
    town = settle(app)
    watcher = sqlite3.connect(file, timeout=30)
    kept = sqlite3.connect(":memory:")
    house = Inhabited(app, town, file, watcher, kept)
    house.keep()
    yield house
    watcher.close()
    kept.close()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def inhabited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey_server: str) -> Iterator[Inhabited]:
    """The house, full of people. What a test changes, it puts back."""
    with settled(request.getfixturevalue("_sqlite_tables"), tmp_path_factory.mktemp("town"), valkey_server) as house:
        yield house


def changes(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, list[str]]:
    """Return the rows that came, went or changed, by table."""
    return {name: sorted(before.get(name, set()) ^ after.get(name, set())) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
