"""Charts as SVG from the server: they follow theme and brand, print, need no script, and always have their numbers as text."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Flask, current_app
from markupsafe import Markup

from app.web.i18n import number

LEFT, RIGHT, TOP, BOTTOM = 52, 14, 10, 26
GRID_LINES = 4
NOTHING = 1e-9
MOST_LABELS = 7
SPARK_WIDTH, SPARK_HEIGHT = 118, 28
Say = Callable[[float], str]
Spot = tuple[float, float]


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


@dataclass(frozen=True, slots=True)
class Plot:
    """The room of a chart in its own units, and the end of its axis, which begins at zero."""

    width: int
    height: int
    top: float

    def x(self, index: int, length: int) -> float:
        """Return where the point ``index`` of ``length`` stands."""
        return LEFT + (self.width - LEFT - RIGHT) * (index / (length - 1) if length > 1 else 0.5)

    def slot(self, length: int) -> float:
        """Return the room of one label among ``length``."""
        return (self.width - LEFT - RIGHT) / max(length, 1)

    def y(self, value: float) -> float:
        """Return the height of a value; less than nothing is drawn as nothing."""
        return TOP + (self.height - TOP - BOTTOM) * (1 - max(value, 0) / self.top)

    @property
    def floor(self) -> float:
        """Where zero is."""
        return self.height - BOTTOM


def init_charts(app: Flask) -> None:
    """Let templates call ``line_chart``, ``bar_chart``, ``sparkline`` and ``Series``."""
    app.jinja_env.globals.update(line_chart=line_chart, bar_chart=bar_chart, sparkline=sparkline, Series=Series)


def nice_top(largest: float) -> float:
    """Return the end of a zero-based axis: at least ``largest``, and a number whose quarters are easy to read."""
    # Counts of less than one a line would repeat their numbers.
    if largest < NOTHING or (largest < GRID_LINES and float(largest).is_integer()):
        return float(GRID_LINES)
    step = largest / GRID_LINES
    power = 10.0 ** math.floor(math.log10(step))
    nice = next(factor * power for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if factor * power >= step * 0.999999)
    return (math.ceil(nice) if largest >= GRID_LINES else nice) * GRID_LINES


def line_chart(series: Sequence[Series], labels: Sequence[str], *, title: str, say: Say = number, table: bool = True, width: int = 640,
               height: int = 224) -> Markup:
    """Return lines over a soft ground, the last point marked, with a table of the same numbers folded below.

    ``say`` writes the numbers of the axis and the table. ``width`` 640 suits half a page, 1040 a whole one.
    """
    plot = Plot(width, height, nice_top(_largest(series)))
    places = [plot.x(index, len(labels)) for index in range(len(labels))]
    return _draw("lines", plot, series, labels, places, [_line(one, plot) for one in series], title=title, say=say, table=table)


def bar_chart(series: Sequence[Series], labels: Sequence[str], *, title: str, say: Say = number, table: bool = True, width: int = 640,
              height: int = 224) -> Markup:
    """Return bars side by side for each label, from zero, with a table of the same numbers folded below."""
    plot = Plot(width, height, nice_top(_largest(series)))
    thick = min(plot.slot(len(labels)) * 0.7 / max(len(series), 1), 36)
    places = [LEFT + plot.slot(len(labels)) * (index + 0.5) for index in range(len(labels))]
    shapes = [_bars(one, plot, places, thick, (place - len(series) / 2) * thick) for place, one in enumerate(series)]
    return _draw("bars", plot, series, labels, places, shapes, title=title, say=say, table=table)


def sparkline(values: Sequence[float], *, tone: str = "s1", label: str) -> Markup:
    """Return the small line of the last hour, to stand beside its current number; ``label`` says it to who cannot see it."""
    if len(values) < 2:
        return Markup("")
    top = max([*values, 1e-9])
    apart = SPARK_WIDTH / (len(values) - 1)
    spots = [(index * apart, 2 + (SPARK_HEIGHT - 3) * (1 - max(value, 0) / top)) for index, value in enumerate(values)]
    return _render("sparkline", spots=_points(spots), end=spots[-1], tone=tone, label=label, width=SPARK_WIDTH, height=SPARK_HEIGHT)


def _draw(kind: str, plot: Plot, series: Sequence[Series], labels: Sequence[str], places: Sequence[float], shapes: Sequence[object], *,
          title: str, say: Say, table: bool) -> Markup:
    values = [plot.top * step / GRID_LINES for step in range(GRID_LINES + 1)]
    across = [Tick(plot.y(value), say(value)) for value in values]
    return _render("chart", kind=kind, plot=plot, series=series, labels=labels, title=title, say=say, table=table, shapes=shapes,
                   across=across, along=_readable(labels, places), left=LEFT, right=plot.width - RIGHT, ident=_ident(title, series))


def _render(name: str, **values: object) -> Markup:
    # Straight from the environment: a table full of sparklines must not run the page's context processors for each of them.
    drawn = current_app.jinja_env.get_template(f"weefive/components/{name}.html").render(**values)
    return Markup(drawn)  # noqa: S704 - the template escaped what it was given


def _ident(title: str, series: Sequence[Series]) -> str:
    return f"chart-{zlib.crc32('|'.join([title, *(one.name for one in series)]).encode()):08x}"


def _largest(series: Sequence[Series]) -> float:
    return max((max(one.values, default=0) for one in series), default=0)


def _readable(labels: Sequence[str], places: Sequence[float]) -> list[Tick]:
    every = max(1, math.ceil(len(labels) / MOST_LABELS))
    written = list(zip(labels, places, strict=True))[::every]
    return [Tick(round(place, 1), label) for label, place in written]


def _line(one: Series, plot: Plot) -> dict[str, object]:
    spots = [(plot.x(index, len(one.values)), plot.y(value)) for index, value in enumerate(one.values)]
    return {"tone": one.tone, "points": _points(spots), "end": spots[-1] if spots else None, "first": spots[0][0] if spots else LEFT}


def _bars(one: Series, plot: Plot, places: Sequence[float], thick: float, offset: float) -> dict[str, object]:
    wide = round(max(thick - 2, 1), 1)
    spots = [(place + offset + 1, plot.y(value)) for place, value in zip(places, one.values, strict=True)]
    bars = [{"x": round(x, 1), "y": round(y, 1), "width": wide, "height": round(plot.floor - y, 1)} for x, y in spots]
    return {"tone": one.tone, "bars": bars}


def _points(spots: Sequence[Spot]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
