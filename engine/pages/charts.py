"""Charts as SVG: where their bars, lines and ticks are; `chart.html` draws them."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.languages import local_number
from engine.pages.window import Window
from engine.schema.messages import plain

#: The height of a plot in pixels, and its width in units, whatever the width of the page.
HEIGHT, WIDTH = 160, 1000

#: So many labels a time axis has at most.
_MOST_TICKS = 7

Numbers = Sequence[float | None]


class Scale(NamedTuple):
    """The ends of a vertical axis, and the distance between its ticks."""

    low: float
    high: float
    step: float

    def y(self, value: float) -> float:
        """Return how many pixels below the top a value is."""
        return round(HEIGHT * (self.high - value) / (self.high - self.low), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the places and the texts of the ticks, the lowest first."""
        count = round((self.high - self.low) / self.step)
        values = [self.low + n * self.step for n in range(count + 1)]
        return [(self.y(value), number(value, 6)) for value in values]


def scale(*columns: Numbers, from_zero: bool = True) -> Scale:
    """Return an axis with round ticks on which all values are."""
    values = [value for column in columns for value in column if value is not None]
    low, high = min([0.0] * from_zero + values, default=0.0), max(values, default=1.0)
    span = (high - low) or abs(high) or 1.0
    high = max(high, low + span)
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= span / 4 * 0.999)
    bottom = math.floor(low / step) * step
    return Scale(bottom, max(math.ceil(high / step) * step, bottom + step), step)


def number(value: float, digits: int = 3) -> str:
    """Write a number as people do."""
    return local_number(plain(value, digits))


def bars(columns: Sequence[Sequence[float]], axis: Scale) -> list[str]:
    """Return the paths of bars that stand on each other, a path for each column of numbers."""
    bases, paths = [0.0] * len(columns[0]), []
    wide = WIDTH / len(bases)
    for column in columns:
        path = ""
        for place, value in enumerate(column):
            top, bottom = axis.y(bases[place] + value), axis.y(bases[place])
            bases[place] += value
            if value:
                left, width = wide * (place + 0.07), wide * 0.86
                path += f"M{left:.1f} {bottom}h{width:.1f}V{top}h-{width:.1f}z"
        paths.append(path)
    return paths


def line(values: Numbers, axis: Scale) -> str:
    """Return the path of a line through the middles of periods, broken where there is no value.

    A value between two gaps is a level line, half a period long.
    """
    path, wide = "", WIDTH / len(values)
    for place, value in enumerate(values):
        if value is None:
            continue
        x, y = round(wide * (place + 0.5), 1), axis.y(value)
        before, after = [None, *values][place], [*values, None][place + 1]
        if before is None and after is None:
            path += f"M{x - wide / 4:.1f} {y}h{wide / 2:.1f}"
        else:
            path += f"M{x} {y}" if before is None else f"L{x} {y}"
    return path


def whiskers(lows: Numbers, highs: Numbers, axis: Scale) -> str:
    """Return the path of an upright line for each period that has two ends."""
    return "".join(
        f"M{round(WIDTH * (place + 0.5) / len(lows), 1)} {axis.y(low)}V{axis.y(high)}"
        for place, (low, high) in enumerate(zip(lows, highs, strict=True))
        if low is not None and high is not None
    )


def chart(
    key: str, title: str, sentence: str, window: Window, *, axis: Scale, paths: Sequence[Any],
    heads: Sequence[str], columns: Sequence[Numbers], legend: Sequence[Any] = (),
) -> dict[str, Any]:  # fmt: skip
    """Describe a chart for its template: paths by their classes, and the numbers in a table."""
    cells = [["" if each is None else number(each, 4) for each in column] for column in columns]
    rows = zip(window.labels(), zip(*cells, strict=True), zip(*columns, strict=True), strict=True)
    short = window.labels(is_short=True)
    every = next(n for n in (1, 2, 4, 6, 12, 24, 48, 72) if len(short) <= n * _MOST_TICKS)
    return {
        "key": key, "title": title, "sentence": sentence, "axis": axis, "paths": paths,
        "legend": legend, "heads": heads,
        "rows": [(label, texts) for label, texts, values in rows if any(values)],
        "times": [(100 * at / len(short), short[at]) for at in range(0, len(short), every)],
    }  # fmt: skip
