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

    Only a digest of the seed and the row's fields decides. A row that is held
    out once is therefore held out in every later table, and no version has
    learnt from the rows that the next one is scored on. Rows with equal fields
    fall on the same side.

    If a class would be on one side only, one of its rows moves to the other.

    Returns
    -------
    train, held_out : ndarray of int
        Sorted positions; together every row once.
    """
    draws = _draws(X, seed)
    is_held_out = draws < HELD_OUT
    labels = y.to_numpy() if is_classification else np.zeros(len(y))
    for label in np.unique(labels):
        own = labels == label
        if not is_held_out[own].any():
            is_held_out |= draws == draws[own].min()
        elif is_held_out[own].all():
            is_held_out &= draws != draws[own].max()
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def _draws(X: pd.DataFrame, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each row, decided by its fields and the seed."""
    fields = X[sorted(X.columns)]  # their order in the model file does not count
    digests = pd.util.hash_pandas_object(fields, index=False).to_numpy()
    mixed = pd.util.hash_array(digests + np.uint64(seed))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)  # all 53 bits of a double
