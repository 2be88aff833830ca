"""What a measurement of growth found, and how fast it grows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.stress_page import table

#: A slope is taken through so many of the largest sizes.
_POINTS = 3

#: What noise may add to a slope.
_SLACK = 0.15


@dataclass(frozen=True)
class Line:
    """One cost by size.

    Attributes
    ----------
    seconds : mapping of int to float or None
        CPU time; None where the service does not take that size.
    must : float
        The exponent that cannot be avoided: 1 where each has to be looked at,
        0 where none has.
    """

    name: str
    seconds: Mapping[int, float | None]
    must: float

    def exponent(self) -> float:
        """Give the slope of log cost over log size, through the largest sizes."""
        points = [(size, cost) for size, cost in self.seconds.items() if cost][-_POINTS:]
        if len(points) < 2:
            return math.nan
        xs, ys = ([math.log(one[at]) for one in points] for at in (0, 1))
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((one - x) ** 2 for one in xs)
        return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread

    def is_too_fast(self) -> bool:
        """Tell whether it grows faster than it must."""
        return self.exponent() > self.must + _SLACK


@dataclass(frozen=True)
class Section:
    """One thing that was made larger.

    Attributes
    ----------
    size : str
        What is counted.
    unit : str
        What the time is for, such as ``prediction``.
    others : mapping of str to (mapping of int to str)
        Further columns: heading to what stands beside each size.
    """

    title: str
    size: str
    unit: str
    lines: list[Line]
    others: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def write(self) -> str:
        """Write a heading, the table and the growth."""
        sizes = list(self.lines[0].seconds)
        head = [self.size, *(f"{one.name}, µs" for one in self.lines), *self.others]
        rows = [
            [
                f"{size:,}",
                *(_micros(one.seconds[size]) for one in self.lines),
                *(column.get(size, "") for column in self.others.values()),
            ]
            for size in sizes
        ]
        growth = [
            f"- {one.name}: exponent {one.exponent():.2f}, must be {one.must:g}"
            + ("; **faster than it must**" if one.is_too_fast() else "")
            for one in self.lines
        ]
        return "\n".join(
            [f"### {self.title}\n", f"CPU time per {self.unit}.\n", table(head, rows), "", *growth]
        )


def _micros(seconds: float | None) -> str:
    if seconds is None:
        return "refused"
    micros = seconds * 1e6
    return (
        f"{micros:,.0f}" if micros >= 100 else f"{micros:.1f}" if micros >= 10 else f"{micros:.2f}"
    )
