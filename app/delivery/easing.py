"""Going easy on a mailbox provider that asks for less: what one sender hears, all senders follow within a second.

One hash a server in Redis, one field a pacing group that is eased just now. A 421 or 4.7.x halves the group's rate, at most once in five
seconds, however many mails hear it; from then on mails that are accepted raise it by a tenth of what it was, every five seconds, until it
is back. A Redis that was lost knows of nothing, and nothing is held then: the provider says it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import Redis

PREFIX = "lettermill:easing:"
# A server that turns everybody away, whatever their provider, is eased as a whole.
EVERYBODY = "*"
STEP_S = 5.0
SLOWEST = 0.1
LONGEST_WAIT_S = 900
FORGET_S = 3600
_CODES = re.compile(r"\d{3}(?: \d\.\d{1,3}\.\d{1,3})?")

_COMMON = """
local state, argv = KEYS[1], cjson.decode(ARGV[1])
local now = argv.now
if not now then local t = redis.call('TIME'); now = tonumber(t[1]) + tonumber(t[2]) / 1e6 end
local found = redis.call('HGET', state, argv.group)
local group = found and cjson.decode(found)
local function keep() redis.call('HSET', state, argv.group, cjson.encode(group)); redis.call('EXPIRE', state, argv.forget) end
cjson.encode_number_precision(14)
"""

_SLOW_DOWN = _COMMON + """
if not group then
  local base = math.max(argv.base, 2 * argv.slowest)
  group = {base = base, rate = base / 2, since = now, slowed = now, changed = now, tokens = 0, at = now, queue = now}
elseif now - group.slowed >= argv.step then
  group.rate = math.max(argv.slowest, group.rate / 2)
  group.slowed, group.changed, group.tokens, group.at = now, now, 0, now
end
group.heard, group.words = now, argv.words
keep()
return 1
"""

_SPEED_UP = _COMMON + """
if not group or now - group.heard < argv.step or now - group.changed < argv.step then return 0 end
group.rate, group.changed = group.rate + group.base / 10, now
if group.rate >= group.base * 0.999 then redis.call('HDEL', state, argv.group) else keep() end
return 1
"""

# Returns how many may go and, where none may, in how many seconds half a second's worth will.
_TAKE = _COMMON + """
if not group then return {argv.wanted, '0'} end
local most = math.max(1, group.rate)
local tokens = math.min(most, group.tokens + math.max(0, now - group.at) * group.rate)
local least = math.max(1, math.min(argv.wanted, math.floor(most / 2)))
local taken = tokens >= least and math.min(argv.wanted, math.floor(tokens)) or 0
group.tokens, group.at = tokens - taken, now
keep()
return {taken, string.format('%.6f', taken > 0 and 0 or (least - tokens) / group.rate)}
"""

# Gives places in the group's queue. Returns in how many seconds the first is due, and how many seconds lie between two.
_QUEUE = _COMMON + """
if not group then return {'0', '0'} end
local first = math.max(now, group.queue)
group.queue = math.min(first + argv.count / group.rate, now + argv.longest)
keep()
return {string.format('%.6f', first - now), string.format('%.6f', 1 / group.rate)}
"""


@dataclass(frozen=True, slots=True)
class Eased:
    """A group that is gone easy on: mails a second allowed and measured before, since when, the last reply and when it came."""

    group: str
    rate: float
    base: float
    since: datetime
    heard_at: datetime
    words: str
    free_in_s: float = 0.0

    @property
    def code(self) -> str:
        """The reply's codes without its text, which may name somebody: "421 4.7.28"."""
        found = _CODES.match(self.words)
        return found[0] if found else ""


class Easing:
    """The eased groups of one server. Every call may raise RedisError. ``clock``: a test's own, in seconds; else Redis's is asked."""

    def __init__(self, redis: Redis, server_id: int, clock: Callable[[], float] | None = None) -> None:
        self._redis, self._clock, self._key = redis, clock, key_of(server_id)

    def slow_down(self, group: str, measured: float, words: str) -> None:
        """Halve the group's rate; ``measured`` is what it was, in mails a second, where nothing held it before."""
        self._run(_SLOW_DOWN, group, base=measured, words=words[:300])

    def speed_up(self, group: str) -> None:
        """Raise the rate by a step where one is due; call it where a mail was accepted."""
        self._run(_SPEED_UP, group)

    def take(self, group: str, wanted: int) -> tuple[int, float]:
        """Take as many mails as the group may get now; return also in how many seconds to ask again where that is none."""
        taken, wait = self._run(_TAKE, group, wanted=wanted)
        return int(taken), float(wait)

    def queue(self, group: str, count: int) -> tuple[float, float]:
        """Give ``count`` mails their turns; return the seconds until the first and between two. They still take tokens when due."""
        first, between = self._run(_QUEUE, group, count=count)
        return float(first), float(between)

    def look(self) -> dict[str, Eased]:
        """Return the eased groups by name."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(self._key)
        pipe.time()
        return eased_of(*pipe.execute())

    def _run(self, script: str, group: str, **asked: Any) -> Any:
        clock = {"now": self._clock()} if self._clock else {}
        limits = {"step": STEP_S, "slowest": SLOWEST, "longest": LONGEST_WAIT_S, "forget": FORGET_S}
        return self._redis.register_script(script)(keys=[self._key], args=[json.dumps({"group": group} | limits | asked | clock)])


def key_of(server_id: int) -> str:
    """Return where a server's eased groups are kept."""
    return f"{PREFIX}{server_id}"


def eased_of(stored: dict[Any, Any], time: tuple[int, int]) -> dict[str, Eased]:
    """Return what was read with HGETALL and TIME; a group of which nothing was heard for an hour is not held any more."""
    now = time[0] + time[1] / 1e6
    return {group.group: group for group in (_eased(_text(name), json.loads(kept), now) for name, kept in stored.items())
            if now - group.heard_at.timestamp() < FORGET_S}


def _eased(name: str, kept: dict[str, Any], now: float) -> Eased:
    most = max(1.0, kept["rate"])
    missing = max(1, int(most / 2)) - min(most, kept["tokens"] + max(0.0, now - kept["at"]) * kept["rate"])
    return Eased(name, kept["rate"], kept["base"], datetime.fromtimestamp(kept["since"], UTC), datetime.fromtimestamp(kept["heard"], UTC),
                 kept["words"], max(0.0, missing / kept["rate"]))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
