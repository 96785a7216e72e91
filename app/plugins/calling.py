"""One call of one plug-in: its arguments, its time, its failure. What a raise means is decided by the kind of hook (policies.py)."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from app.plugins.failures import FailureBook, budget_s
from app.plugins.installed import Implementation
from app.plugins.own import Ground, Own, Readings, own_of
from app.plugins.timings import Timings

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class PluginFailed(RuntimeError):
    """A plug-in raised, or answered something that its hook does not allow; ``plugin`` and ``hook`` say which."""

    def __init__(self, plugin: str, hook: str, error: BaseException) -> None:
        super().__init__(f"the plug-in {plugin} failed in {hook}: {type(error).__name__}: {error}")
        self.plugin, self.hook = plugin, hook


class Unit:
    """One unit of work: what its plug-ins stand on, what they read, and which of their hooks had failed when it began."""

    def __init__(self, ground: Ground, book: FailureBook, timings: Timings, failing: Mapping[str, Mapping[str, int]]) -> None:
        self._ground, self._book, self.timings = ground, book, timings
        self._readings = Readings(ground)
        self._failing = {(plugin, hook) for plugin, hooks in failing.items() for hook in hooks}
        self._own: dict[str, Own] = {}

    def own(self, plugin: str) -> Own:
        """Return what belongs to the plug-in."""
        if plugin not in self._own:
            self._own[plugin] = own_of(plugin, self._ground, self._readings)
        return self._own[plugin]

    def failed(self, plugin: str, hook: str, trace: str) -> None:
        """Report a failure."""
        log.error("plug-in failed", extra={"plugin": plugin, "hook": hook, "traceback": trace})
        self._failing.add((plugin, hook))
        self._book.add(plugin, hook, trace)

    def answered(self, plugin: str, hook: str) -> None:
        """Note that a hook works; where it had failed before, its failures are no longer in a row."""
        if (plugin, hook) in self._failing or self._book.is_failing(plugin, hook):
            self._failing.discard((plugin, hook))
            self._book.add(plugin, hook)


def call(unit: Unit, one: Implementation, check: Callable[[Any], Answer], **arguments: Any) -> Answer:
    """Call one plug-in's function and return its answer as ``check`` accepts it; raise PluginFailed for a raise or a wrong answer."""
    given = {**arguments, "own": unit.own(one.plugin)}
    began = time.perf_counter()
    try:
        answer = check(one.function(*(given[name] for name in one.argnames)))
    except Exception as error:
        unit.failed(one.plugin, one.hook, traceback.format_exc())
        unit.timings.add(one.plugin, time.perf_counter() - began, failed=True)
        raise PluginFailed(one.plugin, one.hook, error) from error
    _measure(unit, one, time.perf_counter() - began)
    return answer


def _measure(unit: Unit, one: Implementation, took_s: float) -> None:
    # A slow answer still counts as an answer: it cannot be cut off, only held against the plug-in.
    too_slow = took_s > budget_s(one.hook)
    unit.timings.add(one.plugin, took_s, failed=too_slow)
    if too_slow:
        unit.failed(one.plugin, one.hook, f"{one.hook} took {took_s:.2f} s; it may take {budget_s(one.hook):g} s\n")
    else:
        unit.answered(one.plugin, one.hook)
