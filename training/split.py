"""Which rows a version learns from and which it is judged on."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

#: The share of rows held out.
HELD_OUT = 0.2


def split_rows(
    X: pd.DataFrame, y: pd.Series, *, seed: int, is_classification: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Split row positions into training and held-out ones.

    Classes keep their shares. Rows with equal fields fall on the same side,
    so nothing held out was seen in training.

    Returns
    -------
    train, held_out : ndarray of int
        Sorted positions; together every row once.
    """
    group = X.groupby(list(X.columns), dropna=False, sort=False).ngroup().to_numpy()
    _, first = np.unique(group, return_index=True)
    labels = y.to_numpy()[first] if is_classification else None
    if labels is not None and pd.Series(labels).value_counts().min() < 2:
        labels = None
    _, held_out_groups = train_test_split(
        group[first], test_size=HELD_OUT, random_state=seed, stratify=labels
    )
    is_held_out = np.isin(group, held_out_groups)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
