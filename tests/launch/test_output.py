"""What processes say is cut into lines and kept in files that do not grow for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch import output
from launch.output import Lines, LogFile


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_lines_are_the_same_however_the_bytes_arrive(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    lines = Lines()
    heard = [line for piece in pieces if piece for line in lines.feed(piece)] + lines.feed(b"")
    expected = whole.split(b"\n") if whole and not whole.endswith(b"\n") else whole.split(b"\n")[:-1]
    assert heard == [line.decode("utf-8", "replace").rstrip("\r") for line in expected]


def test_a_line_that_never_ends_is_cut() -> None:
    lines = Lines()
    heard = [line for _ in range(10) for line in lines.feed(b"x" * 30_000)] + lines.feed(b"")
    assert "".join(heard) == "x" * 300_000
    assert max(map(len, heard)) <= Lines.LIMIT + 30_000


def test_a_full_log_is_set_aside_and_the_oldest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "KEEP_BYTES", 100)
    log = LogFile(tmp_path / "web.log")
    for number in range(100):
        log.write(f"line {number:03d}")
    log.close()
    kept = sorted(file.name for file in tmp_path.iterdir())
    assert kept == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    lines = [line for name in reversed(kept) for line in (tmp_path / name).read_text().splitlines()]
    assert lines == [f"line {number:03d}" for number in range(100 - len(lines), 100)]


def test_a_log_goes_on_where_it_was_and_is_its_owners_alone(tmp_path: Path) -> None:
    for word in ("one", "two"):
        log = LogFile(tmp_path / "web.log")
        log.write(word)
        log.close()
    assert (tmp_path / "web.log").read_text() == "one\ntwo\n"
    assert (tmp_path / "web.log").stat().st_mode & 0o777 == 0o600
