"""How often a drift report is wrong, and how often it finds a shift: on made-up rows.

Print the tables of docs/explanation/drift.md, or the row of one size, with::

    python -m tests.support.drift_trials
    python -m tests.support.drift_trials 20000 10000 2000
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from engine.monitoring.drift import LEVEL, Report, Window, compare
from engine.runtime.reference import Reference, parse_reference
from engine.schema import Category, Flag, Number
from engine.schema.fields import MISSING, UNKNOWN, Field
from engine.schema.record_schema import Schema
from engine.scoring.interval import mean_of, of_share
from engine.scoring.judged import HeldOutAnswers
from engine.training.reference_file import write_reference

Draw = np.random.Generator
Make = Callable[[int, Draw], Any]

#: Windows and tables of the trials.
ROWS, TRAINED = (100, 200, 500, 2000, 10_000), (1000, 20_000)

WORDS = {3: (0.6, 0.3, 0.1), 12: tuple(0.5**place for place in range(12)), 60: (1.0,) * 60}


@dataclass(frozen=True)
class Made:
    """A field, and what makes its values."""

    field: Field
    make: Make


def numbers(name: str, make: Make, gaps: float = 0.0) -> Made:
    """Make a field of numbers, of which some are gaps."""
    field = Number(name=name, example=1, missing="accept")

    def draw(rows: int, draw: Draw) -> np.ndarray:
        values = np.asarray(make(rows, draw), np.float64)
        values[draw.random(rows) < gaps] = np.nan
        return values

    return Made(field, draw)


def words(
    name: str, count: int, gaps: float = 0.0, unknown: float = 0.0, shares: Any = None
) -> Made:
    """Make a field of so many words, some frequent and some rare."""
    listed = [f"word {place}" for place in range(count)]
    weights = np.array(shares or WORDS[count])
    field = Category(
        name=name, example=listed[0], categories=tuple(listed), missing="accept", unknown="accept"
    )

    def draw(rows: int, draw: Draw) -> np.ndarray:
        values = draw.choice(np.array(listed, object), rows, p=weights / weights.sum())
        values[draw.random(rows) < unknown] = UNKNOWN
        values[draw.random(rows) < gaps] = MISSING
        return values

    return Made(field, draw)


def flags(name: str, share: float) -> Made:
    """Make a field that is true in a share of the rows."""
    field = Flag(name=name, example=True)
    return Made(field, lambda rows, draw: (draw.random(rows) < share).astype(np.float64))


def twenty() -> list[Made]:
    """Make twenty fields of all kinds, with gaps and unknown words."""
    normal: Make = lambda rows, draw: draw.normal(size=rows)  # noqa: E731
    tailed: Make = lambda rows, draw: draw.lognormal(3, 1, rows)  # noqa: E731
    whole: Make = lambda rows, draw: draw.poisson(4, rows)  # noqa: E731
    return [
        *(numbers(f"normal_{gaps}", normal, gaps) for gaps in (0.0, 0.001, 0.03, 0.3)),
        *(numbers(f"tailed_{gaps}", tailed, gaps) for gaps in (0.0, 0.001, 0.03, 0.3)),
        *(numbers(f"whole_{gaps}", whole, gaps) for gaps in (0.0, 0.03)),
        *(flags(f"flag_{share}", share) for share in (0.5, 0.1, 0.01, 0.001)),
        words("few", 3), words("few_gaps", 3, gaps=0.02), words("few_unknown", 3, unknown=0.01),
        words("skewed", 12), words("skewed_gaps", 12, gaps=0.1, unknown=0.002), words("many", 60),
    ]  # fmt: skip


def card_of(made: list[Made]) -> Any:
    """Return as much of a card of two classes as a comparison reads."""
    classes = {"classes": [False, True], "positive": True}
    return {"model": "made", "version": "up", "schema": schema_of(made).to_json(), **classes}


def schema_of(made: list[Made]) -> Schema:
    """Return the schema of made fields and a target of two classes."""
    return Schema(tuple(each.field for each in made), Flag(name="target", example=True))


def reference_of(made: list[Made], rows: int, draw: Draw) -> Reference:
    """Write and read the reference of so many training rows, and of a quarter held out."""
    X = pd.DataFrame({each.field.name: each.make(rows, draw) for each in made})
    definition: Any = SimpleNamespace(schema=schema_of(made), seed=int(draw.integers(2**32)))
    return parse_reference(write_reference(definition, X, answers_of(rows // 4, draw)))


def answers_of(rows: int, draw: Draw) -> HeldOutAnswers:
    """Make answers of two classes; the truth is not looked at."""
    shares = draw.beta(1, 3, rows)
    both = np.column_stack([1 - shares, shares])
    return HeldOutAnswers(shares >= 0.5, shares >= 0.5, both, [False, True], True)


def window_of(made: list[Made], rows: int, draw: Draw) -> Window:
    """Make a window of rows, whose answers have not moved."""
    columns = {each.field.name: each.make(rows, draw) for each in made}
    return Window(columns, answers_of(rows, draw))


def trial(made: list[Made], shifted: list[Made], trained: int, rows: int, draw: Draw) -> Report:
    """Compare a window of the shifted fields with a reference of others."""
    return compare(card_of(made), reference_of(made, trained, draw), window_of(shifted, rows, draw))


def false_alarms(trained: int, rows: int, trials: int) -> np.ndarray:
    """Return which reports have a false alarm: as shown, and by chance alone; shape (n, 2)."""
    draw, made = np.random.default_rng(trained + rows), twenty()
    reports = (trial(made, made, trained, rows, draw) for _ in range(trials))
    return np.array([
        (report.verdict == "drift", any(each.p <= LEVEL for each in report.comparisons))
        for report in reports
    ], float)  # fmt: skip


def shifts() -> dict[str, Made]:
    """Name the shifts of which the power is stated; each replaces one of the twenty fields."""
    normal: Make = lambda rows, draw: draw.normal(size=rows)  # noqa: E731
    return {
        "a mean by half a standard deviation": numbers(
            "normal_0.0", lambda rows, draw: draw.normal(0.5, size=rows)
        ),
        "a spread by a half": numbers(
            "normal_0.0", lambda rows, draw: draw.normal(0, 1.5, size=rows)
        ),
        "a long tail by a half": numbers(
            "tailed_0.0", lambda rows, draw: draw.lognormal(3, 1, rows) * 1.5
        ),
        "5 % of the rows in another unit": numbers(
            "normal_0.0",
            lambda rows, draw: normal(rows, draw) * (1 + 99 * (draw.random(rows) < 0.05)),
        ),
        "gaps from 3 to 10 %": numbers("normal_0.03", normal, 0.1),
        "a flag from 10 to 25 %": flags("flag_0.1", 0.25),
        "unknown words from 1 to 6 %": words("few_unknown", 3, unknown=0.06),
        "15 % of the rows from one word to another": words("few", 3, shares=(0.45, 0.45, 0.1)),
    }


def powers(trained: int, rows: int, trials: int) -> dict[str, float]:
    """Return how often each shift is found, and no other."""
    draw, made, found = np.random.default_rng(trained + rows), twenty(), {}
    for name, shifted in shifts().items():
        names = {each.field.name: each for each in (*made, shifted)}
        reports = (trial(made, [*names.values()], trained, rows, draw) for _ in range(trials))
        hits = sum(report.shifted == [shifted.field.name] for report in reports)
        found[name] = hits / trials
    return found


def print_alarms(trained: int, rows: int, trials: int) -> None:
    """Print a row of the first table, with Wilson's interval of 95 %."""
    shown, chance = false_alarms(trained, rows, trials).T
    low, high, _ = of_share(mean_of(shown))
    interval = f"{shown.mean():.2%} ({low:.2%} to {high:.2%})"
    print(f"| {trained:,} | {rows:,} | {trials:,} | {interval} | {chance.mean():.2%} |", flush=True)


def main(trials: int) -> None:
    """Print both tables."""
    print("| training rows | rows in the window | reports | false alarms | whatever the size |")
    print("| --- | --- | --- | --- | --- |")
    for trained in TRAINED:
        for rows in ROWS:
            print_alarms(trained, rows, trials)
    print()
    columns = {rows: powers(TRAINED[-1], rows, max(1, trials // 20)) for rows in ROWS[:4]}
    print("| shift of one of 20 fields |", " | ".join(f"{rows:,} rows" for rows in columns), "|")
    print("| --- |" + " --- |" * len(columns))
    for name in shifts():
        print(f"| {name} |", " | ".join(f"{powers[name]:.0%}" for powers in columns.values()), "|")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print_alarms(*map(int, sys.argv[1:]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
