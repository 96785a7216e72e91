"""The proof after a save: which processes of the house read it by now, each after how long."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask_babel import gettext as _
from redis import RedisError

from app.processes.heartbeats import Heartbeat, living
from app.settings.history import Revision
from app.settings.schema import name_of
from app.web.house import house
from app.web.i18n import duration

# A proof is shown for so long after its save; processes that have not spoken by WATCHED_S are named, and no longer waited for.
SHOWN_S, WATCHED_S = 600, 60


@dataclass(frozen=True, slots=True)
class Proof:
    """A save and who reads it: (process, seconds from the save until it did, None while it has not said so). ``late`` says what is amiss."""

    revision: int
    processes: list[tuple[str, float | None]]
    late: str
    is_watched: bool

    @property
    def seconds(self) -> float:
        """How long the slowest took."""
        return max((seconds for _name, seconds in self.processes if seconds is not None), default=0.0)


def proof_of(section_type: type, number: str) -> Proof | None:
    """Return the proof of a section's save, or None where there is no such save, or it is long over."""
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    found = house().settings.history(name_of(section_type), before=int(number) + 1, limit=1)
    if not found or found[0].id != int(number) or time.time() - found[0].at.timestamp() > SHOWN_S:
        return None
    return _proof(found[0])


def _proof(saved: Revision) -> Proof:
    at = saved.at.timestamp()
    try:
        beats = living(house().redis)
    except RedisError:
        return Proof(saved.id, [], _("Redis does not answer, so no process can say so. Each reads the new values with its next piece of work."), False)
    processes = [(name, _took(beat, saved.id, at)) for name, beat in named(beats)]
    waiting = any(seconds is None for _name, seconds in processes)
    return Proof(saved.id, processes, _late(beats, saved.id), waiting and time.time() - at < WATCHED_S)


def named(beats: list[Heartbeat]) -> list[tuple[str, Heartbeat]]:
    """Return the processes under the names that people say: their kind, numbered where there are several."""
    kinds = [beat.kind for beat in beats]
    counted: dict[str, int] = {}
    names = []
    for beat in beats:
        counted[beat.kind] = counted.get(beat.kind, 0) + 1
        names.append(f"{beat.kind} {counted[beat.kind]}" if kinds.count(beat.kind) > 1 else beat.kind)
    return list(zip(names, beats, strict=True))


def _took(beat: Heartbeat, revision: int, at: float) -> float | None:
    if beat.revision < revision:
        return None
    # A process that began after the save read it from its first moment.
    return max(0.0, beat.revision_at - at) if beat.revision == revision else 0.0


def _late(beats: list[Heartbeat], revision: int) -> str:
    silent = [(name, beat) for name, beat in named(beats) if beat.revision < revision and beat.is_late]
    return " ".join(_("%(name)s was last seen %(time)s ago. If it does not come back, restart it.", name=name, time=duration(time.time() - beat.at))
                    for name, beat in silent)


def in_force() -> tuple[int, int] | None:
    """Return how many of the living processes read the newest save, and how many there are; None where Redis does not answer."""
    try:
        beats = living(house().redis)
    except RedisError:
        return None
    newest = house().settings.revision()
    return sum(1 for beat in beats if beat.revision >= newest), len(beats)
