"""Charts as SVG from the server: they follow theme and brand, print, need no script, and always have their numbers as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count as counting

from flask import Flask, render_template
from markupsafe import Markup

from app.web.i18n import number

WIDTH, HEIGHT = 640, 224
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 10, 26
GRID_LINES = 4
SPARK_WIDTH, SPARK_HEIGHT = 118, 28
Say = Callable[[float], str]
_ids = counting(1)


@dataclass(frozen=True, slots=True)
class Series:
    """One row of numbers under a name. ``tone`` is s1 to s5, ok, warn or bad: a class of the style sheet, never a colour."""

    name: str
    values: Sequence[float]
    tone: str = "s1"


@dataclass(frozen=True, slots=True)
class Tick:
    """A written place on an axis: where, in the drawing's own units, and what is written."""

    at: float
    text: str


def init_charts(app: Flask) -> None:
    """Let templates call ``line_chart``, ``bar_chart`` and ``sparkline``."""
    app.jinja_env.globals.update(line_chart=line_chart, bar_chart=bar_chart, sparkline=sparkline, Series=Series)


def nice_top(largest: float) -> float:
    """Return the end of a zero-based axis: at least ``largest``, and a number whose quarters are easy to read."""
    if largest <= 0:
        return float(GRID_LINES)
    step = largest / GRID_LINES
    power = 10.0 ** math.floor(math.log10(step))
    nice = next(factor * power for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if factor * power >= step * 0.999999)
    return max(nice, 1.0 if largest >= 1 else nice) * GRID_LINES


def line_chart(series: Sequence[Series], labels: Sequence[str], *, title: str, say: Say = number, table: bool = True) -> Markup:
    """Return lines over a soft ground, the last point marked, with a table of the same numbers folded below."""
    top = nice_top(max((max(one.values, default=0) for one in series), default=0))
    shapes = [_line(one, top) for one in series]
    places = [_x(index, len(labels)) for index in range(len(labels))]
    return _draw("lines", series, labels, title=title, say=say, table=table, shapes=shapes, top=top, places=places)


def bar_chart(series: Sequence[Series], labels: Sequence[str], *, title: str, say: Say = number, table: bool = True) -> Markup:
    """Return bars side by side for each label, from zero, with a table of the same numbers folded below."""
    top = nice_top(max((max(one.values, default=0) for one in series), default=0))
    slot = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    thick = min(slot * 0.7 / max(len(series), 1), 36)
    shapes = [_bars(one, top, slot, thick, (place - len(series) / 2) * thick) for place, one in enumerate(series)]
    places = [LEFT + slot * (index + 0.5) for index in range(len(labels))]
    return _draw("bars", series, labels, title=title, say=say, table=table, shapes=shapes, top=top, places=places)


def sparkline(values: Sequence[float], *, tone: str = "s1", label: str) -> Markup:
    """Return the small line of the last hour, to stand beside its current number; ``label`` says it to who cannot see it."""
    if len(values) < 2:
        return Markup("")
    top = max([*values, 1e-9])
    spots = [(index * SPARK_WIDTH / (len(values) - 1), 2 + (SPARK_HEIGHT - 3) * (1 - max(value, 0) / top)) for index, value in enumerate(values)]
    return Markup(render_template("weefive/components/sparkline.html", spots=_points(spots), end=spots[-1], tone=tone, label=label,
                                  width=SPARK_WIDTH, height=SPARK_HEIGHT))


def _draw(kind: str, series: Sequence[Series], labels: Sequence[str], *, title: str, say: Say, table: bool, shapes: list[object], top: float,
          places: list[float]) -> Markup:
    across = [Tick(_y(top * step / GRID_LINES, top), say(top * step / GRID_LINES)) for step in range(GRID_LINES + 1)]
    return Markup(render_template("weefive/components/chart.html", kind=kind, series=series, labels=labels, title=title, say=say, table=table,
                                  shapes=shapes, across=across, along=_readable(labels, places), width=WIDTH, height=HEIGHT, left=LEFT,
                                  right=WIDTH - RIGHT, floor=HEIGHT - BOTTOM, ident=f"chart-{next(_ids)}"))


def _readable(labels: Sequence[str], places: Sequence[float]) -> list[Tick]:
    every = max(1, math.ceil(len(labels) / 7))
    return [Tick(round(place, 1), label) for index, (label, place) in enumerate(zip(labels, places, strict=True)) if index % every == 0]


def _line(one: Series, top: float) -> dict[str, object]:
    spots = [(_x(index, len(one.values)), _y(value, top)) for index, value in enumerate(one.values)]
    return {"tone": one.tone, "points": _points(spots), "end": spots[-1] if spots else None, "first": spots[0][0] if spots else LEFT}


def _bars(one: Series, top: float, slot: float, thick: float, offset: float) -> dict[str, object]:
    floor = HEIGHT - BOTTOM
    return {"tone": one.tone, "bars": [
        {"x": round(LEFT + slot * (index + 0.5) + offset, 1), "y": round(_y(value, top), 1), "width": round(max(thick - 2, 1), 1),
         "height": round(floor - _y(value, top), 1)} for index, value in enumerate(one.values)]}


def _x(index: int, length: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (index / (length - 1) if length > 1 else 0.5)


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - max(value, 0) / top)


def _points(spots: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
