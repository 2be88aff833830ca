"""Which rows a version learns from and which it is judged on."""

from typing import NamedTuple

import numpy as np
import pandas as pd

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


def split_rows(X: pd.DataFrame, y: pd.Series, *, seed: int, is_classification: bool) -> Split:
    """Split row positions into training and held-out ones.

    Only a digest of the seed and the row's fields decides. A row that is held
    out once is therefore held out in every later table, and no version has
    learnt from the rows that the next one is scored on. Rows with equal fields
    fall on the same side.

    Every class is learnt from, and held out if it can be: if it would be on one side
    only, some of its rows change sides. All rows of a class with equal fields are learnt
    from, and none is held out.
    """
    draws = _draws(X, seed)
    is_held_out = draws < HELD_OUT
    labels = y.to_numpy() if is_classification else np.zeros(len(y))
    classes = {label: labels == label for label in np.unique(labels)}
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
                is_held_out = more
                moved.append(str(label))
                break
    names = ", ".join(dict.fromkeys(moved)) if is_classification else "a row"
    way = f"{WAY}, moved: {names}" if moved else WAY
    return Split(np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out), way)


def folds(X: pd.DataFrame, y: pd.Series, *, count: int, seed: int) -> list[Fold]:
    """Return folds: for each, the positions of rows to fit on and of those to judge on.

    Rows with equal fields fall on the same side, as in the split. Each fold has its share of
    every class; `y` has one value for all rows where there are no classes.
    """
    places = np.zeros(len(X), dtype=np.intp)
    labels, draws = y.to_numpy(), _draws(X, seed)
    for label in np.unique(labels):
        own = labels == label
        places[own] = np.unique(draws[own], return_inverse=True)[1] % count
    sides = (places == number for number in range(count))
    return [(np.flatnonzero(~side), np.flatnonzero(side)) for side in sides if side.any()]


def _draws(X: pd.DataFrame, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each row, decided by its fields and the seed."""
    fields = X[sorted(X.columns)]  # their order in the model file does not count
    digests = pd.util.hash_pandas_object(fields, index=False).to_numpy()
    mixed = pd.util.hash_array(digests + np.uint64(seed))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)  # all 53 bits of a double
