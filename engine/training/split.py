"""Which rows a version learns from and which it is judged on."""

import numpy as np
import pandas as pd

#: The share of rows held out.
HELD_OUT = 0.2

#: How a card names this way to split.
WAY = "digest"


def split_rows(
    X: pd.DataFrame, y: pd.Series, *, seed: int, is_classification: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Split row positions into training and held-out ones.

    A digest of the seed and the row's fields decides, and nothing else: a row
    that is held out once is held out in every later table, wherever it stands
    and whatever is added. So no version has learnt from the rows that the next
    one is judged on. Rows with equal fields fall on the same side.

    A class that would be on one side only gives the other a row of its own.

    Returns
    -------
    train, held_out : ndarray of int
        Sorted positions; together every row once.
    """
    places = _places(X, seed)
    is_held_out = places < HELD_OUT
    labels = y.to_numpy() if is_classification else np.zeros(len(y))
    for label in np.unique(labels):
        own = labels == label
        if not is_held_out[own].any():
            is_held_out |= places == places[own].min()
        elif is_held_out[own].all():
            is_held_out &= places != places[own].max()
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def _places(X: pd.DataFrame, seed: int) -> np.ndarray:
    """Give each row a number in [0, 1) that its fields and the seed decide."""
    fields = X[sorted(X.columns)]  # their order in the model file does not count
    digests = pd.util.hash_pandas_object(fields, index=False).to_numpy()
    mixed = pd.util.hash_array(digests + np.uint64(seed))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)  # all 53 bits of a double
