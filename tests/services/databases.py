"""Databases with every table in them and no rows: SQLite files, and one MariaDB database, made once and emptied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import create_app
from app.config import Config
from app.db import db, make_engine

NAMES = ("sqlite", "mariadb")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each database that its ``databases`` mark names."""
    marker = metafunc.definition.get_closest_marker("databases")
    if marker and "database" in metafunc.fixturenames:
        unknown = set(marker.args) - set(NAMES)
        if unknown or not marker.args:
            raise pytest.UsageError(f"databases() takes names out of {NAMES}, not {sorted(unknown)}")
        metafunc.parametrize("database", marker.args, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with every table and no rows: SQLite unless the test's ``databases`` mark says otherwise."""
    if getattr(request, "param", "sqlite") == "mariadb":
        url, empty = request.getfixturevalue("_mariadb_tables")
        empty()
        return str(url)
    file = tmp_path / "test.sqlite3"
    shutil.copyfile(request.getfixturevalue("_sqlite_tables"), file)
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def _sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    file = folder / "tables.sqlite3"
    _make_tables(f"sqlite:///{file}", folder)
    return file


@pytest.fixture(scope="session")
def _mariadb_tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Callable[[], None]]]:
    url = request.getfixturevalue("mariadb_server").create("lettermill")
    _make_tables(url, tmp_path_factory.mktemp("mariadb"))
    engine = make_engine(url)
    yield url, lambda: _empty(engine)
    engine.dispose()


def _make_tables(url: str, folder: Path) -> None:
    app = create_app(Config(data=folder, database_url=url, testing=True))
    with app.app_context():
        db.create_all()
        db.engine.dispose()


def _empty(engine: sa.Engine) -> None:
    """Delete every row. Deleting beats TRUNCATE here: that is a table rebuilt, for a few rows."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=0")
        for name in sa.inspect(connection).get_table_names():
            if name != "alembic_version":
                connection.execute(sa.delete(sa.table(name)))
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=1")
