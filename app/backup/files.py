"""The files of the data folder that belong into a backup, and their way back."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from app.backup.manifest import FILES, BackupProblem

# What is left out, and why nothing is lost by it: the database is dumped, the key has a place of its own, Redis holds doorbells,
# a slot's journal means nothing beside another database (its rows become in doubt by themselves), and a backup holds no backups.
LEFT_OUT = frozenset({"backups", "journal", "key", "logs", "redis", "restoring", "run.lock"})
DATABASE_SUFFIXES = (".sqlite3", ".sqlite3-wal", ".sqlite3-shm", ".sqlite3-journal")


def kept_files(data: Path) -> Iterator[Path]:
    """Yield the files below the data folder that a backup keeps, in order; links are not followed."""
    for folder, folders, names in os.walk(data):
        here = Path(folder)
        if here == data:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
            names = [name for name in names if name not in LEFT_OUT and not name.endswith(DATABASE_SUFFIXES)]
        folders.sort()
        yield from (here / name for name in sorted(names) if stat.S_ISREG((here / name).lstat().st_mode))


def add_files(archive: zipfile.ZipFile, data: Path) -> int:
    """Add the kept files and return how many; one that was deleted meanwhile is left out."""
    count = 0
    for file in kept_files(data):
        try:
            archive.write(file, FILES + file.relative_to(data).as_posix())
        except FileNotFoundError:
            continue
        count += 1
    return count


def check_names(archive: zipfile.ZipFile) -> None:
    """Raise BackupProblem when a file would be written outside the data folder, or over what is not for a backup to write."""
    for name in _file_names(archive):
        parts = PurePosixPath(name.removeprefix(FILES)).parts
        if not parts or parts[0] in LEFT_OUT | {"/"} or ".." in parts or "\\" in name:
            raise BackupProblem(f"The backup holds a file that does not belong there: {name}")


@contextmanager
def unpacked(archive: zipfile.ZipFile, data: Path) -> Iterator[Path]:
    """Unpack the files beside their places for the length of the block: a full disk is met before anything is changed."""
    folder = data / "restoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        for name in _file_names(archive):
            place = folder / name.removeprefix(FILES)
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as packed, place.open("wb") as out:
                shutil.copyfileobj(packed, out)
        yield folder
    finally:
        shutil.rmtree(folder)


def move_into_place(folder: Path, data: Path) -> None:
    """Move unpacked files to their places in the data folder; readable by their owner alone."""
    for file in sorted(folder.rglob("*")):
        place = data / file.relative_to(folder)
        if file.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)
        else:
            file.chmod(0o600)
            file.replace(place)


def write_private(place: Path, text: str) -> None:
    """Write a file that its owner alone can read, on the disk before it takes its name."""
    draft = place.with_name(f".{place.name}.restoring")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(place)


def _file_names(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name.startswith(FILES) and not name.endswith("/")]
