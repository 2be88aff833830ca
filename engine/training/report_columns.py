"""What the report says of the data: each column by the target, and what is odd about it.

Everything is computed from the training rows, of `MOST_ROWS` at most, so that a wide table
takes seconds and the page stays small.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.cards.sentences import word
from engine.schema.fields import MISSING, Field
from engine.schema.messages import rounded
from engine.schema.record_schema import Schema

#: So many rows are looked at, columns have a picture, and columns set aside are described.
MOST_ROWS, MOST_PICTURES, MOST_ASIDE = 20_000, 60, 60

#: Bars of a picture, colours of classes, and pairs of columns that are listed.
_BARS, _COLOURS, _PAIRS = 20, 6, 10

#: A column that alone tells so much of the target is suspect; pairs correlate from here on.
_SUSPECT, _CORRELATED = 0.97, 0.8

#: A value that is shown of a column without a field stands in so many rows.
_COMMON = 10

#: Columns whose correlations are computed, and quartile ranges beyond which a value is far off.
_COMPARED, _FAR = 200, 3


@dataclass(frozen=True)
class ColumnLook:
    """A column as the page shows it; `alone` is what it tells of the target, from 0 to 1."""

    name: str
    unit: str
    text: str
    gaps: float
    alone: float
    picture: Markup


@dataclass(frozen=True)
class DataLook:
    """What the page shows of the data; the columns that tell most come first."""

    columns: list[ColumnLook]
    groups: list[str]
    suspects: list[str]
    pairs: list[tuple[str, str, str]]
    aside: list[tuple[str, str]]
    rows: int
    others: int


def look_at(X: pd.DataFrame, y: pd.Series, table: pd.DataFrame, schema: Schema) -> DataLook:
    """Look at the training rows: as the pipeline takes them, and as the table has them."""
    if len(X) > MOST_ROWS:
        drawn = np.sort(np.random.default_rng(0).choice(len(X), MOST_ROWS, replace=False))
        X, y, table = X.iloc[drawn], y.iloc[drawn], table.iloc[drawn]
    goal, groups = _goal(y, schema.target)
    looks = [
        _look(X[field.name], field, goal, groups) for field in schema.fields if field.name in X
    ]
    looks.sort(key=lambda look: -look.alone)
    suspects = [
        f"{look.name} alone tells {schema.target.name} ({look.alone:.2f}): check that it is known "
        "when a prediction is asked for"
        for look in looks
        if look.alone >= _SUSPECT
    ]
    taken = schema.find_columns(map(str, table.columns)).sources.values()
    aside = [
        (str(name), _aside(table.iloc[:, place], goal))
        for place, name in enumerate(table.columns)
        if str(name) not in {*taken, schema.target.name, schema.target.column}
    ]
    numbers = X[[look.name for look in looks if X[look.name].dtype.kind in "fiub"][:_COMPARED]]
    return DataLook(
        looks, groups, suspects, _pairs(numbers), aside[:MOST_ASIDE], len(X),
        len(aside[MOST_ASIDE:]),
    )  # fmt: skip


def _goal(y: pd.Series, target: Field) -> tuple[np.ndarray, list[str]]:
    """Return a column per class, true in its rows; of a number, the numbers and no names."""
    if target.classes is None:
        return y.to_numpy(np.float64)[:, None], []
    often = y.value_counts().index[: _COLOURS if y.nunique() <= _COLOURS else _COLOURS - 1]
    labels = [label for label in target.classes if label in {*often}]
    goal = np.stack([(y == label).to_numpy() for label in labels], axis=1).astype(np.float64)
    rest = 1 - goal.sum(axis=1, keepdims=True)
    names = [word(label) for label in labels]
    return (np.hstack([goal, rest]), [*names, "others"]) if rest.any() else (goal, names)


def _look(column: pd.Series, field: Field, goal: np.ndarray, groups: list[str]) -> ColumnLook:
    bars, labels, text = _bars(column, field)
    gaps = float((bars < 0).mean()) if len(bars) else 0.0
    if field.private:
        return ColumnLook(field.name, field.unit, "private", gaps, _alone(bars, goal), Markup(""))
    shown = f"{text}, {100 * gaps:.2g}% missing" if gaps else text
    picture = _picture(bars, labels, goal, groups, f"{field.name}: {text}")
    return ColumnLook(field.name, field.unit, shown, gaps, _alone(bars, goal), picture)


def _bars(column: pd.Series, field: Field | None) -> tuple[np.ndarray, list[str], str]:
    """Return the bar of each row, -1 for a gap; the name of each bar; and the column in words."""
    if column.dtype.kind not in "fiub":
        words = column.astype(object).where(column.notna() & (column != MISSING))
        counts = words.value_counts()
        is_text = field is not None and not field.words
        if is_text or len(counts) > max(50, len(column) / 2):
            lengths = words.map(lambda word: len(str(word)), na_action="ignore").astype(float)
            bars, labels, _ = _bars(lengths, None)
            return bars, labels, f"{len(counts):,} different texts, by their length"
        places = {word: min(place, _BARS - 1) for place, word in enumerate(counts.index)}
        names = [str(word) for word in counts.index[:_BARS]]
        often = ", ".join(f"{name[:20]} {count}" for name, count in counts.head(4).items())
        bars = words.map(places).fillna(-1).to_numpy(int)
        return bars, names, f"{len(counts):,} words: {often}" if len(counts) else "no value"
    values = column.to_numpy(np.float64)
    present = values[np.isfinite(values)]
    if not len(present):
        return np.full(len(values), -1), [], "no value"
    low, first, middle, third, high = np.quantile(present, [0, 0.25, 0.5, 0.75, 1])
    start, end = map(float, np.quantile(present, [0.01, 0.99]))
    steps = np.unique(present)
    edges = np.linspace(start, end, _BARS + 1)[1:-1] if len(steps) > _BARS else steps[1:]
    bars = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))
    far = _FAR * (third - first)
    odd = int(((present < first - far) | (present > third + far)).sum()) if far else 0
    text = f"{_number(low, field)} to {_number(high, field)}, half below {_number(middle, field)}"
    if field is not None and field.classes == (False, True):
        return bars, ["false", "true"], f"{100 * present.mean():.3g}% true"
    labels = [_number(low, field), *(_number(edge, field) for edge in edges)]
    return bars, labels, text + (f", {odd} far off the others" if odd else "")


def _number(value: float, field: Field | None) -> str:
    return field.label(value) if field else f"{value:g}"


def _alone(bars: np.ndarray, goal: np.ndarray) -> float:
    """Return how much of the target a column tells: the correlation ratio of its bars.

    It is corrected for the number of bars, so that it is 0 for a column of chance (Kelley,
    1935, An unbiased correlation ratio measure).
    """
    _, groups, counts = np.unique(bars, return_inverse=True, return_counts=True)
    deviations = goal - goal.mean(axis=0)
    total, rest = float((deviations**2).sum()), len(bars) - len(counts)
    if not total or rest <= 0:
        return 0.0
    sums = np.stack([np.bincount(groups, each) for each in deviations.T], axis=1)
    between = float((sums**2 / counts[:, None]).sum())
    share = 1 - (1 - between / total) * (len(bars) - 1) / rest
    return float(np.sqrt(max(share, 0.0)))


def _picture(
    bars: np.ndarray, labels: list[str], goal: np.ndarray, groups: list[str], title: str
) -> Markup:
    """Draw how often each bar is, by class, or with the mean of the target; gaps stand apart."""
    kinds = max(len(labels), 1) + 1
    is_number = not groups
    counts = np.bincount(bars + 1, minlength=kinds).astype(np.float64)
    parts = counts[:, None] if is_number else _sums(bars, goal, kinds)
    highest, width = max(counts.max(initial=1), 1), 200 / (kinds + 1)
    shapes = []
    for bar, heights in enumerate(parts):
        x, top = width * (bar + 0.5 if bar else 0), 60.0
        for group, height in enumerate(heights * 56 / highest):
            top -= height
            style = f"c{group}" + " gap" * (bar == 0)
            size = f'width="{0.86 * width:.1f}" height="{height:.1f}"'
            shapes += [f'<rect class="{style}" x="{x:.1f}" y="{top:.1f}" {size}/>'] * bool(
                height > 0
            )
    if is_number:
        shapes.append(_means(counts, _sums(bars, goal, kinds)[:, 0], goal, width))
    head = f'<svg class="bars" viewBox="0 0 200 60" role="img" aria-label="{escape(title)}">'
    return Markup(head + "".join(shapes) + "</svg>")  # noqa: S704 - its text is escaped


def _sums(bars: np.ndarray, goal: np.ndarray, kinds: int) -> np.ndarray:
    return np.stack([np.bincount(bars + 1, each, kinds) for each in goal.T], axis=1)


def _means(counts: np.ndarray, sums: np.ndarray, goal: np.ndarray, width: float) -> str:
    """Draw the mean of a number in each bar, on the scale of its middle nine tenths."""
    low, high = np.quantile(goal, [0.05, 0.95])
    dots = []
    for bar in np.flatnonzero(counts):
        share = np.clip((sums[bar] / counts[bar] - low) / ((high - low) or 1), 0, 1)
        x = width * (bar + 0.93 if bar else 0.43)
        dots.append(f'<circle class="mean" cx="{x:.1f}" cy="{56 - 52 * share:.1f}" r="2.4"/>')
    return "".join(dots)


def _aside(column: pd.Series, goal: np.ndarray) -> str:
    """Say of a column that no field has what tells most about it."""
    filled = column[column.notna() & (column.astype(str).str.strip() != "")]
    gaps = f", {100 * (1 - len(filled) / len(column)):.2g}% missing" * (len(filled) < len(column))
    if not len(filled):
        return "no value in any row"
    counts = filled.astype(str).value_counts()
    distinct = len(counts)
    common = counts.index[0][:40]
    if distinct == 1:
        return f"always {common}{gaps}"
    alone = _alone(
        _bars(column if column.dtype.kind in "fiub" else column.astype(str), None)[0], goal
    )
    if distinct > 0.95 * len(filled) and column.dtype.kind != "f":
        return f"nearly every row has its own value{gaps}"
    tells = " the target nearly by itself" if alone >= _SUSPECT else f" {alone:.2f} of the target"
    # A value of a few rows may tell who they are.
    example = f", most often {common}" if counts.iloc[0] >= _COMMON else ""
    return f"{distinct:,} values{example}{gaps}; alone it tells{tells}"


def _pairs(numbers: pd.DataFrame) -> list[tuple[str, str, str]]:
    """List the pairs of numbers and flags whose ranks go together most."""
    if numbers.shape[1] < 2 or len(numbers) < 3:
        return []
    ranks = numbers.astype(np.float64).rank()
    ranks = ranks.fillna(ranks.mean()).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.nan_to_num(np.corrcoef(ranks, rowvar=False))
    places: Iterable[Any] = zip(*np.triu_indices(len(table), 1), strict=True)
    strong = [
        (first, second) for first, second in places if abs(table[first, second]) >= _CORRELATED
    ]
    strong.sort(key=lambda pair: -abs(table[pair]))
    names = [*numbers.columns]
    return [(names[one], names[two], rounded(table[one, two])) for one, two in strong[:_PAIRS]]
