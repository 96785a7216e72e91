"""What every test may ask for. The servers behind it are real (tests/services) and start when the first test needs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings
from sqlalchemy.orm import Session

from app import create_app
from app.config import Config
from app.db import db
from app.house import House
from tests.factories.sending import every_tenant, make_house, session_of
from tests.services.network import keep_inside
from tests.services.templates import compiled_once

pytest_plugins = [
    "tests.services.mariadb",
    "tests.services.valkey",
    "tests.services.browser",
    "tests.services.databases",
    "tests.services.site",
    "tests.services.postfix",
    "tests.services.dovecot",
]

keep_inside()
# How long an example takes says how busy the machine is, and nothing about the house.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture
def config(tmp_path: Path, database: str, redis_url: str) -> Config:
    """A deployment of its own: an empty data folder, a database with no rows, a Redis that holds nothing."""
    data = tmp_path / "data"
    data.mkdir()
    return Config(data=data, database_url=database, redis_url=redis_url, base_url="http://localhost", testing=True)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The house on that deployment."""
    house = compiled_once(create_app(config))
    yield house
    with house.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without a screen, signed in as nobody."""
    return app.test_client()


@pytest.fixture
def house(config: Config) -> Iterator[House]:
    """The house without its pages, as a worker has it."""
    made = make_house(config)
    with every_tenant():
        yield made
    made.engine.dispose()
    made.redis.close()


@pytest.fixture
def session(house: House) -> Iterator[Session]:
    """A session that sees every account's rows."""
    with session_of(house) as opened:
        yield opened
