"""Postfix's own test programs: smtp-sink, which takes everything, and smtp-source, which sends as fast as it can."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.ports import free_port
from tests.services.processes import binary

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class SmtpSink:
    """A running smtp-sink."""

    port: int
    pid: int

    @property
    def cpu_s(self) -> float:
        """The processor seconds that it has used."""
        return cpu_of(self.pid)


def cpu_of(pid: int) -> float:
    """Return the processor seconds that a process has used, by the kernel's count (to a hundredth)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib_of(pid: int) -> float:
    """Return the memory that a process holds, in MiB."""
    return _memory_mib(pid, "VmRSS")


def peak_mib_of(pid: int) -> float:
    """Return the most memory that a process ever held, in MiB."""
    return _memory_mib(pid, "VmHWM")


def _memory_mib(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


@contextlib.contextmanager
def smtp_sink() -> Iterator[SmtpSink]:
    """Run smtp-sink for the length of the block."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([binary("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    try:
        yield SmtpSink(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def smtp_source(port: int, mails: int, size_bytes: int) -> float:
    """Send with ``smtp-source -d -s 10`` mails of this size; return its mails a second."""
    began = time.monotonic()
    subprocess.run([binary("smtp-source"), "-d", "-s", "10", "-m", str(mails), "-l", str(size_bytes), "-f", "news@example.com",
                    "-t", "reader@example.org", f"inet:127.0.0.1:{port}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return mails / (time.monotonic() - began)
