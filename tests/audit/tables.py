"""Made-up tables, each of a kind on which a translated or rounded model goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from engine.schema import Category, Flag, Number
from engine.schema.fields import Field

ROWS = 600


@dataclass(frozen=True)
class Table:
    """Rows of one kind: the fields, and for each task a target and its values.

    `frame` has the fields' columns. `hidden`, of shape (n_rows,), is what the
    targets are made from: about 0 on average, with a spread of about 1.
    """

    name: str
    fields: tuple[Field, ...]
    frame: pd.DataFrame
    hidden: np.ndarray
    number: Callable[[np.ndarray], np.ndarray] = lambda hidden: 300 + 100 * hidden
    share: float = 0.4
    classes: int = 2

    @property
    def numbers(self) -> list[str]:
        """The names of the number fields."""
        return [field.name for field in self.fields if field.kind == "number"]

    @property
    def words(self) -> list[str]:
        """The names of the category fields."""
        return [field.name for field in self.fields if field.kind == "category"]

    @property
    def has_gaps(self) -> bool:
        """Whether a number may be missing."""
        return any(field.missing == "accept" for field in self.fields if field.kind == "number")

    def target(self, task: str) -> tuple[Field, np.ndarray]:
        """Return the target field of a task, and its values."""
        if task == "regression":
            values = self.number(self.hidden)
            return Number(name="answer", example=float(values[0])), values
        ranks = self.hidden.argsort().argsort() / len(self.hidden)
        if self.classes == 2:
            return Flag(name="answer", example=True), ranks >= 1 - self.share
        labels = tuple(f"class {number:02}" for number in range(self.classes))
        codes = (ranks * self.classes).astype(int)
        return Category(name="answer", categories=labels, example=labels[0]), np.array(
            labels, dtype=object
        )[codes]


def make_tables() -> dict[str, Table]:
    """Make every table; the same at each call."""
    tables = [
        _usual("usual"),
        _usual("epoch seconds", number=lambda hidden: 1_700_000_000 + np.round(900 * hidden, 3)),
        _usual("target of 1e-9", number=lambda hidden: 1e-9 * (3 + hidden)),
        _usual("target of 1e9 +- 1", number=lambda hidden: 1e9 + hidden),
        _usual("whole targets", number=lambda hidden: np.maximum(0, np.round(3 + 2 * hidden))),
        _usual("0.5 % positives", rows=4_000, share=0.005),
        _usual("30 classes", rows=1_500, classes=30),
        _usual("three classes", classes=3),
        _usual("gaps", gaps=0.15),
        _usual("unknown words", unknown=0.1),
        _usual("odd names", names=("unit price", "a-b.c/d", "2nd $", "preço", "é novo?")),
        _numbers("10,000 +- 1", 10_000 + _draw(3).uniform(-1, 1, (ROWS, 4))),
        _numbers("ids beyond 2**24", 2**24 + _draw(4).integers(0, 4_000, (ROWS, 3)), is_whole=True),
        _numbers("ids near 2**53", 2**53 - _draw(5).integers(1, 4_000, (ROWS, 2)), is_whole=True),
        _numbers("milliseconds", 1.7e9 + _draw(6).integers(0, 9_000_000, (ROWS, 2)) / 1000),
        _numbers("ties", _draw(7).integers(0, 3, (ROWS, 3)), is_whole=True),
        _numbers("1e-12 to 1e12", 10.0 ** _draw(8).uniform(-12, 12, (ROWS, 3))),
        _numbers("constants", np.column_stack([_draw(9).normal(0, 1, ROWS), np.full(ROWS, 7.25)])),
    ]  # fmt: skip
    return {table.name: table for table in tables}


def _draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _usual(
    name: str, *, rows: int = ROWS, gaps: float = 0.0, unknown: float = 0.0,
    names: tuple[str, ...] = ("size", "balance", "rooms", "kind", "is_new"), **targets: Any,
) -> Table:  # fmt: skip
    """Return three numbers, a category and a flag."""
    draw = _draw(11)
    size, balance = draw.normal(60, 20, rows).clip(5), draw.normal(0, 1_000, rows)
    rooms, kind = draw.integers(1, 9, rows), draw.choice(["x", "y", "z"], rows)
    is_new = draw.random(rows) < 0.4
    hidden = (size - 60) / 20 + balance / 1_000 + (kind == "x") + is_new + draw.normal(0, 1, rows)
    policy: Literal["refuse", "accept"] = "accept" if gaps else "refuse"
    fields = (
        Number(name=names[0], example=50.0, minimum=0, maximum=500),
        Number(name=names[1], example=0.5, missing=policy, minimum=-1e5, maximum=1e5),
        Number(name=names[2], example=3, integer=True, minimum=0, maximum=20),
        Category(name=names[3], categories=("x", "y", "z"), example="x", missing=policy,
                 unknown="accept" if unknown else "refuse"),
        Flag(name=names[4], example=True),
    )  # fmt: skip
    frame = pd.DataFrame(
        {
            names[0]: size,
            names[1]: np.where(draw.random(rows) < gaps, np.nan, balance),
            names[2]: rooms,
            names[3]: pd.Series(kind, dtype=object)
            .mask(draw.random(rows) < unknown, "new word")
            .mask(draw.random(rows) < gaps, None),
            names[4]: is_new,
        }
    )
    return Table(name, fields, frame, hidden / 2, **targets)


def _numbers(name: str, values: np.ndarray, *, is_whole: bool = False) -> Table:
    """Return a table of numbers alone, whose ranges are those of the values."""
    names = [f"n{place}" for place in range(values.shape[1])]
    ends = [(float(column.min()), float(column.max())) for column in values.T]
    fields = tuple(
        Number(name=name, example=int(low) if is_whole else low, integer=is_whole,
               minimum=low, maximum=high)
        for name, (low, high) in zip(names, ends, strict=True)
    )  # fmt: skip
    ranks = values.argsort(axis=0).argsort(axis=0) / len(values)
    noise = _draw(12).normal(0, 0.3, len(values))
    hidden = 3 * (ranks[:, 0] - 0.5) + np.sin(7 * ranks[:, -1]) + noise
    columns = {name: values[:, place] for place, name in enumerate(names)}
    return Table(name, fields, pd.DataFrame(columns), hidden)
