"""The distribution of the training rows, to compare later rows with."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.runtime.coarsening import coarsen, decimals_of
from engine.schema.fields import MISSING, UNKNOWN, Field
from engine.schema.record_schema import numbers_of

BINS = 10


def reference(X: pd.DataFrame, fields: Sequence[Field]) -> dict[str, dict[str, Any]]:
    """Count the training rows per field.

    Numbers, flags and dates, and the lengths of texts, have ``edges`` (the k
    inner edges, at the deciles, rounded), ``counts`` (k + 1 bins, each closed on the left)
    and ``missing``. Categories have ``counts`` by word, ``missing`` and ``unknown``.
    """
    return {
        field.name: count_words(X[field.name], field.words)
        if field.words
        else _numbers(numbers_of(field, X[field.name]))
        for field in fields
    }


def count_words(column: pd.Series, words: Sequence[str]) -> dict[str, Any]:
    """Count the rows by word, with a gap, and with a word that is not listed."""
    rows = Counter(column.tolist())
    counts = {word: rows[word] for word in words}
    missing, unknown = counts.pop(MISSING, 0), counts.pop(UNKNOWN, 0)
    return {"counts": counts, "missing": missing, "unknown": unknown}


def _numbers(values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    deciles = np.linspace(0, 1, BINS + 1)[1:-1]
    edges: Any = np.quantile(finite, deciles, method="lower") if len(finite) else np.empty(0)
    edges = np.unique(coarsen(edges, decimals_of(finite)))
    counts = np.bincount(np.searchsorted(edges, finite, side="right"), minlength=len(edges) + 1)
    return {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "missing": int(len(values) - len(finite)),
    }
