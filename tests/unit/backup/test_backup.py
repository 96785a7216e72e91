"""A backup holds everything, from one moment, and comes back into either database."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app import backup as backups
from app.backup import dump
from app.backup.manifest import BackupProblem
from app.config import Config
from tests.unit.backup.small_house import PEOPLE, build, deployment, engine_of, everything, fill

Place = Callable[[str, str], tuple[Config, Engine]]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Makes deployments with an empty database: ``place("here", "sqlite")``."""
    engines: list[Engine] = []

    def make(name: str, kind: str) -> tuple[Config, Engine]:
        url = request.getfixturevalue("mariadb_server").create(f"backup_{name}") if kind == "mariadb" else ""
        config = deployment(tmp_path / name, url)
        engines.append(engine_of(config))
        return config, engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


def full(place: Place, kind: str = "sqlite", answers: int = 0) -> tuple[Config, Engine]:
    config, engine = place("here", kind)
    build(engine)
    fill(engine, answers)
    return config, engine


def restore_into(config: Config, engine: Engine, file: Path, *, replace: bool = False) -> backups.Manifest:
    return backups.restore(config, engine, file, build=lambda revision: build(engine, revision), replace=replace)


@pytest.mark.parametrize("target", ["sqlite", "mariadb"])
@pytest.mark.parametrize("source", ["sqlite", "mariadb"])
def test_every_value_comes_back_the_same_in_either_database(place: Place, tmp_path: Path, source: str, target: str) -> None:
    here, engine = full(place, source, answers=4500)
    there, other = place("there", target)
    page = restore_into(there, other, backups.backup(here, engine, tmp_path / "b.zip"))
    assert everything(other) == everything(engine)
    assert page.tables == {"answers": 4500, "people": 3}
    assert page.revisions == ["one"]


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_what_is_written_while_the_backup_runs_is_not_in_it(
    place: Place, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, engine = full(place, kind, answers=10)
    original = dump._write_table

    def write_and_disturb(archive: zipfile.ZipFile, connection: sa.Connection, table: str) -> int:
        count = original(archive, connection, table)
        with engine.begin() as other:
            other.execute(sa.insert(PEOPLE).values(name="came while the backup ran"))
        return count

    monkeypatch.setattr(dump, "_write_table", write_and_disturb)
    page = backups.read_manifest(backups.backup(here, engine, tmp_path / "b.zip"))
    assert page.tables == {"answers": 10, "people": 3}
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(PEOPLE)) == 5


def test_the_key_and_the_uploads_come_back_for_their_owner_alone(place: Place, tmp_path: Path) -> None:
    here, engine = full(place)
    (here.data / "uploads" / "deep").mkdir(parents=True)
    (here.data / "uploads" / "deep" / "list.csv").write_text("a@example.com\n")
    (here.data / "logs").mkdir()
    (here.data / "logs" / "web.log").write_text("not to be kept")
    there, other = place("there", "sqlite")
    file = backups.backup(here, engine, tmp_path / "b.zip")
    restore_into(there, other, file)
    key, upload = there.data / "key", there.data / "uploads" / "deep" / "list.csv"
    assert key.read_text() == "key of here\n"
    assert upload.read_text() == "a@example.com\n"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (key, upload, file)] == [0o600] * 3
    assert not (there.data / "logs").exists()
    assert sorted(path.name for path in there.data.glob("key*")) == ["key", "key.before-restore-" + _print_of("key of there")]


def _print_of(key: str) -> str:
    from app.backup.manifest import key_print

    return key_print(key)


def test_a_database_with_rows_is_refused_and_left_alone(place: Place, tmp_path: Path) -> None:
    here, engine = full(place)
    file = backups.backup(here, engine, tmp_path / "b.zip")
    there, other = place("there", "sqlite")
    build(other)
    before = everything(other)
    with pytest.raises(BackupProblem, match="holds data already"):
        restore_into(there, other, file)
    assert everything(other) == before
    assert (there.data / "key").read_text() == "key of there\n"


def test_a_database_that_is_replaced_is_backed_up_first(place: Place, tmp_path: Path) -> None:
    here, engine = full(place)
    file = backups.backup(here, engine, tmp_path / "b.zip")
    there, other = place("there", "sqlite")
    build(other)
    restore_into(there, other, file, replace=True)
    assert everything(other) == everything(engine)
    (kept,) = (there.data / "backups").glob("before-restore-*.zip")
    assert backups.read_manifest(kept).tables == {"answers": 0, "people": 1}


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_restore_that_fails_on_the_way_leaves_the_database_empty(place: Place, tmp_path: Path, kind: str) -> None:
    here, engine = full(place, answers=3)
    whole = backups.backup(here, engine, tmp_path / "whole.zip")
    short = _rewritten(whole, tmp_path / "short.zip", {"tables/people.jsonl": lambda text: text.rsplit(b"\n", 2)[0] + b"\n"})
    there, other = place("there", kind)
    with pytest.raises(BackupProblem, match="people has 2 rows instead of 3"):
        restore_into(there, other, short)
    assert sa.inspect(other).get_table_names() == []
    assert (there.data / "key").read_text() == "key of there\n"
    assert not (there.data / "restoring").exists()


def test_a_row_that_points_at_nothing_is_found(place: Place, tmp_path: Path) -> None:
    here, engine = full(place)
    whole = backups.backup(here, engine, tmp_path / "whole.zip")
    broken = _rewritten(whole, tmp_path / "broken.zip", {"tables/people.jsonl": lambda text: text.replace(b',2,"1815', b',7,"1815')})
    there, other = place("there", "sqlite")
    with pytest.raises(BackupProblem, match="points at a row of people"):
        restore_into(there, other, broken)


def _rewritten(source: Path, target: Path, changes: dict[str, Callable[[bytes], bytes]]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, bytes)(old.read(name)))
    return target


@pytest.mark.parametrize("name", ["files/../escaped", "files//etc/escaped", "files/key", "files/run.lock"])
def test_a_backup_that_would_write_elsewhere_is_refused(place: Place, tmp_path: Path, name: str) -> None:
    here, engine = full(place)
    file = backups.backup(here, engine, tmp_path / "b.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, "boo")
    there, other = place("there", "sqlite")
    with pytest.raises(BackupProblem, match="does not belong there"):
        restore_into(there, other, file)
    assert sa.inspect(other).get_table_names() == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("content", [b"", b"PK not a zip", b"\x00" * 5000])
def test_a_file_that_is_no_backup_is_named_so(place: Place, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "letter.zip"
    file.write_bytes(content)
    with pytest.raises(BackupProblem, match="is not a backup of Lettermill"):
        restore_into(*place("there", "sqlite"), file)


def test_tables_of_a_plug_in_that_is_not_installed_are_not_dropped_silently(place: Place, tmp_path: Path) -> None:
    here, engine = full(place)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateTable(sa.Table("plugin_warmup_days", sa.MetaData(), sa.Column("day", sa.Integer))))
    file = backups.backup(here, engine, tmp_path / "b.zip")
    with pytest.raises(BackupProblem, match="plugin_warmup_days"):
        restore_into(*place("there", "sqlite"), file)


def test_a_key_from_the_environment_is_not_written_down_and_must_be_there_again(place: Place, tmp_path: Path) -> None:
    _, engine = full(place)
    file = backups.backup(deployment(tmp_path / "with-key", key="c2VjcmV0"), engine, tmp_path / "b.zip")
    assert b"c2VjcmV0" not in b"".join(zipfile.ZipFile(file).read(name) for name in zipfile.ZipFile(file).namelist())
    other = engine_of(deployment(tmp_path / "there"))
    with pytest.raises(BackupProblem, match="set LETTERMILL_KEY"):
        restore_into(deployment(tmp_path / "there"), other, file)
    with pytest.raises(BackupProblem, match="not the key of this backup"):
        restore_into(deployment(tmp_path / "there", key="b3RoZXI="), other, file)
    restore_into(deployment(tmp_path / "there", key="c2VjcmV0"), other, file)
    assert everything(other) == everything(engine)


def test_a_backup_that_fails_leaves_no_file(place: Place, tmp_path: Path) -> None:
    here, engine = full(place)
    (here.data / "key").unlink()
    with pytest.raises(BackupProblem, match=r"key file .* is missing"):
        backups.backup(here, engine, tmp_path / "b.zip")
    assert not list(tmp_path.glob("*.zip*"))
    with pytest.raises(BackupProblem, match="cannot be written"):
        backups.backup(here, engine, tmp_path / "no such folder" / "b.zip")


def test_an_empty_database_needs_no_automatic_backup_and_old_ones_make_room(place: Place) -> None:
    here, engine = place("here", "sqlite")
    assert backups.automatic_backup(here, engine, "migration") is None
    build(engine)
    made = [backups.automatic_backup(here, engine, "migration") for _ in range(12)]
    assert sorted((here.data / "backups").iterdir()) == sorted(path for path in made[-10:] if path)


def test_nothing_is_restored_under_a_running_house(place: Place, tmp_path: Path) -> None:
    from launch.folder import hold

    here, engine = full(place)
    file = backups.backup(here, engine, tmp_path / "b.zip")
    there, other = place("there", "sqlite")
    with hold(there.data), pytest.raises(BackupProblem, match="Lettermill runs on this data folder"):
        restore_into(there, other, file)
