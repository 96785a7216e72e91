"""The fault sink as a process of its own, for high rates: ``python -m tests.services.sink_process LOG PLAN``.

PLAN is JSON: {name: {attributes of ``Server``, "faults": [{"verb": …, "reply": …, "wait_s": …, "chance": …, "text": …, "times": …}]}}.
Each name gets a port of its own; one line of JSON on the standard output says which. LOG gets one line for each event, by one
``os.write`` and before the answer goes out, so it holds whatever happens to this process. ``log_lines`` reads it:

    T time connection mfrom rcpt message-id            taken: the sink is responsible for this mail from here on
    R time connection mfrom rcpt code                  refused, at RCPT or at the dot
    L time connection how stage mfrom rcpt seconds     lost, the client's QUIT excepted; stage: reply, body

``time`` is the wall clock in seconds; of a connection lost in the stage "reply", ``seconds`` is how long ago that reply was written.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.services.fault_sink import Fault, Server, Talk, listen

MESSAGE_ID = b"\r\nMessage-ID: <"


@dataclass(slots=True)
class Chance:
    """A fault that happens now and then: with this likelihood, where ``text`` is in the command, so many times at most."""

    fault: Fault
    chance: float = 1.0
    text: str = ""
    times: int = -1
    # The wait is anything between nothing and this, instead of always the same.
    is_random_wait: bool = False

    def strikes(self, text: str) -> Fault | None:
        """Return the fault if it happens now."""
        if not self.times or self.text not in text or (self.chance < 1 and random.random() >= self.chance):
            return None
        self.times -= 1
        return Fault(self.fault.reply, random.random() * self.fault.wait_s) if self.is_random_wait else self.fault


@dataclass
class LoggingServer(Server):
    """A server that writes down what it took, refused and lost."""

    log: int = -1
    name: str = ""
    chances: dict[str, list[Chance]] = field(default_factory=dict)

    def fault(self, verb: str, text: str) -> Fault | None:
        """Throw the dice."""
        for chance in self.chances.get(verb, ()):
            if found := chance.strikes(text):
                return found
        return None

    def took(self, mfrom: str, rcpt: str, data: bytes, of: Talk) -> None:
        """Write the line that makes the mail ours."""
        at = data.find(MESSAGE_ID, 0, 8192) + len(MESSAGE_ID)
        number = data[at:data.find(b">", at)].decode() if at >= len(MESSAGE_ID) else "-"
        os.write(self.log, f"T {time.time():.6f} {self.name}{of.number} {mfrom} {rcpt} {number}\n".encode())

    def refused(self, mfrom: str, rcpt: str, reply: str, of: Talk) -> None:
        """Write who was refused, and how."""
        os.write(self.log, f"R {time.time():.6f} {self.name}{of.number} {mfrom} {rcpt} {reply[:3] if reply[:1].isdigit() else 0}\n".encode())

    def lost(self, of: Talk, how: str) -> None:
        """Write which mail was under way when the connection ended without a goodbye."""
        if of.unread is not None:
            self._lost(of, how, "reply", *of.unread, time.monotonic() - of.answered_at)
        if of.in_body:
            self._lost(of, how, "body", of.mfrom, of.rcpt, 0.0)

    def _lost(self, of: Talk, how: str, stage: str, mfrom: str, rcpt: str, seconds: float) -> None:
        os.write(self.log, f"L {time.time():.6f} {self.name}{of.number} {how} {stage} {mfrom} {rcpt} {seconds:.3f}\n".encode())


def server_of(name: str, log: int, plan: dict[str, Any]) -> LoggingServer:
    """Return the server that a part of the plan describes."""
    chances = defaultdict(list)
    for one in plan.get("faults", ()):
        fault = Fault(one.get("reply", ""), one.get("wait_s", 0.0))
        chances[one["verb"]].append(Chance(fault, one.get("chance", 1.0), one.get("text", ""), one.get("times", -1),
                                           one.get("is_random_wait", False)))
    attributes = {key: value for key, value in plan.items() if key != "faults"}
    return LoggingServer(log=log, name=name, chances=dict(chances), **attributes)


async def serve(log: int, plan: dict[str, Any]) -> None:
    """Listen on every port, say which they are, and go on until the standard input ends."""
    servers = {name: server_of(name, log, part) for name, part in plan.items()}
    for server in servers.values():
        await listen(server)
    sys.stdout.write(json.dumps({name: server.port for name, server in servers.items()}) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@dataclass(frozen=True, slots=True)
class Line:
    """One event of the log. ``code``: of a refusal; ``how``, ``stage`` and ``seconds``: of a loss."""

    kind: str
    at: float
    connection: str
    mfrom: str
    rcpt: str
    message_id: str = ""
    code: int = 0
    how: str = ""
    stage: str = ""
    seconds: float = 0.0


def log_lines(file: Path) -> Iterator[Line]:
    """Read the log; a line that is not whole yet is left for the next time."""
    with file.open("rb") as lines:
        for raw in lines:
            if raw.endswith(b"\n"):
                yield line_of(raw.decode().split())


def line_of(words: list[str]) -> Line:
    """Return one event."""
    kind, at, connection = words[0], float(words[1]), words[2]
    if kind == "T":
        return Line(kind, at, connection, words[3], words[4], message_id=words[5])
    if kind == "R":
        return Line(kind, at, connection, words[3], words[4], code=int(words[5]))
    return Line(kind, at, connection, words[5], words[6], how=words[3], stage=words[4], seconds=float(words[7]))


def main(log: str, plan: str) -> None:
    """Run until the standard input ends."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    gc.freeze()
    asyncio.run(serve(handle, json.loads(plan)))


if __name__ == "__main__":
    main(*sys.argv[1:])
