"""Which rows a version learns from and which it is judged on."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from engine.schema.definition import ModelDefinition
from engine.schema.messages import did_you_mean, shown, vocabulary
from engine.training.table import InvalidTable

#: The share of rows held out.
HELD_OUT = 0.2

#: How a card names this way to split.
WAY = "digest"

#: Positions of rows to fit on, and of rows to judge on.
Fold = tuple[np.ndarray, np.ndarray]


class Split(NamedTuple):
    """Sorted positions of rows, together every row once, and how they were chosen.

    The way is `WAY`; where some rows had to change sides it names their classes.
    """

    train: np.ndarray
    held_out: np.ndarray
    way: str


def split_keys(definition: ModelDefinition, table: pd.DataFrame, X: pd.DataFrame) -> np.ndarray:
    """Return the number of each row that decides its side: a draw in [0, 1), or its time.

    `X` are the rows of the table as they were read. The column of a time or a group need not
    have a field. Raise `InvalidTable` where it is absent, or its cells are no times.
    """
    way, _, column = definition.split.partition(":")
    if way == WAY:
        return _draws(X[sorted(X.columns)], definition.seed)  # their order does not count
    names = {each.column: each.name for each in definition.fields if each.is_input}
    values = table.get(column)
    if values is None:
        hint = did_you_mean(column, vocabulary(map(str, table.columns)))
        remedy = "correct `split`, or let load_data give it"
        raise InvalidTable([f"column {column!r} of `split` is missing{hint}: {remedy}"])
    values = values.iloc[: len(X)]
    if way == "time":
        is_read = column in names and is_numeric_dtype(X[names[column]])
        return _times(X[names[column]] if is_read else values, column)
    # A whole number is the same group in a column that has become one of doubles by a gap.
    return _draws(values.astype(str).str.removesuffix(".0").to_frame(), definition.seed)


def _times(values: pd.Series, column: str) -> np.ndarray:
    """Return times as numbers: those of a column of numbers, or seconds of ISO dates."""
    if is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64)
    else:
        times = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
        numbers = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()
    if np.isnan(numbers).any():
        row = int(np.isnan(numbers).argmax())
        cell = f"row {row + 1}, column {column!r} of `split`: is {shown(values.iloc[row])}"
        remedy = "let load_data give numbers or ISO dates, as 2024-05-17, without gaps"
        raise InvalidTable([f"{cell}, not a time: {remedy}"])
    return np.asarray(numbers)


def split_rows(
    X: pd.DataFrame, y: pd.Series, *, seed: int, is_classification: bool, way: str = WAY,
    keys: np.ndarray | None = None,
) -> Split:  # fmt: skip
    """Split row positions into training and held-out ones.

    Only a digest of the seed and the row's fields decides, or of its group. A row that is held
    out once is therefore held out in every later table, and no version has
    learnt from the rows that the next one is scored on. Rows with equal fields, or of one
    group, fall on the same side.

    Every class is learnt from, and held out if it can be: if it would be on one side
    only, some of its rows change sides. All rows of a class with equal fields are learnt
    from, and none is held out.

    By time, the last rows are held out, those of equal times together. Raise `InvalidTable`
    where a class is not in the rows before.

    Parameters
    ----------
    way : str
        The `split` of the model file.
    keys : ndarray of shape (n_rows,)
        What `split_keys` returns; by default the draws of the rows.
    """
    keys = _draws(X[sorted(X.columns)], seed) if keys is None else keys
    labels = y.to_numpy() if is_classification else np.zeros(len(y))
    classes = {label: labels == label for label in np.unique(labels)}
    moved: list[str] = []
    if way.startswith("time:"):
        is_held_out = _last(keys)
        for label, own in classes.items():
            if is_held_out[own].all():
                cause = f"all rows of {shown(label)} are among the last, which are held out"
                raise InvalidTable([f"{cause} by {way!r}: give earlier rows, or split otherwise"])
    else:
        is_held_out = keys < HELD_OUT
        moved = _move(is_held_out, keys, classes)
    names = ", ".join(dict.fromkeys(moved)) if is_classification else "a row"
    way = f"{way}, moved: {names}" if moved else way
    return Split(np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out), way)


def _last(times: np.ndarray) -> np.ndarray:
    """Return which rows are the last ones, about the share that is held out."""
    starts = np.unique(times)[1:]
    if not len(starts):
        raise InvalidTable(["all rows have the same time: leave `split` out"])
    shares = 1 - np.searchsorted(np.sort(times), starts) / len(times)
    return np.asarray(times >= starts[np.abs(shares - HELD_OUT).argmin()])


def _move(is_held_out: np.ndarray, draws: np.ndarray, classes: dict[Any, np.ndarray]) -> list[str]:
    """Let rows change sides until each class is on both, if it can be; return the classes."""
    moved = []
    for label, own in classes.items():
        if is_held_out[own].all():
            is_held_out &= draws != draws[own].max()
            moved.append(str(label))
    for label, own in classes.items():
        if is_held_out[own].any():
            continue
        for draw in np.unique(draws[own]):
            more = is_held_out | (draws == draw)
            if not any(more[rows].all() for rows in classes.values()):
                is_held_out |= more
                moved.append(str(label))
                break
    return moved


def folds(keys: np.ndarray, y: pd.Series, *, count: int, way: str = WAY) -> list[Fold]:
    """Return folds: for each, the positions of rows to fit on and of those to judge on.

    They are made as the split is, of the keys of its training rows: those of equal keys fall
    on the same side, and each fold has its share of every class; `y` has one value for all rows
    where there are no classes. By time, the rows to fit on are those before.
    """
    if way.startswith("time:"):
        order = np.searchsorted(np.sort(keys), keys)  # the first place of each time
        places = order * (count + 1) // len(keys)
        sides = [(places < number, places == number) for number in range(1, count + 1)]
    else:
        places = np.zeros(len(keys), dtype=np.intp)
        labels = y.to_numpy() if way == WAY else np.zeros(len(y))  # a group may have all classes
        for label in np.unique(labels):
            own = labels == label
            places[own] = np.unique(keys[own], return_inverse=True)[1] % count
        sides = [(places != number, places == number) for number in range(count)]
    return [
        (np.flatnonzero(before), np.flatnonzero(judged))
        for before, judged in sides
        if before.any() and judged.any()
    ]


def _draws(cells: pd.DataFrame, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each row, decided by its cells and the seed."""
    digests = pd.util.hash_pandas_object(cells, index=False).to_numpy()
    mixed = pd.util.hash_array(digests + np.uint64(seed))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)  # all 53 bits of a double
