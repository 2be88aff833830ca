"""The columns that a fitted model takes, and what its steps know of the words in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from engine.schema.fields import MISSING
from engine.schema.messages import quoted
from engine.schema.record_schema import UNNAMED
from engine.training.fitted.formats import NotBrought
from engine.training.storable import parts


def find_columns(pipeline: Any, headers: list[str], data: Path) -> tuple[list[str], bool]:
    """Return the columns that a model takes, in its order, and whether it knows their names."""
    names = getattr(pipeline, "feature_names_in_", None)
    if names is not None:
        if absent := [str(name) for name in names if name not in headers]:
            listed = ", ".join(map(quoted, absent[:10]))
            raise NotBrought(f"{data} has no column {listed}, which the model takes: add it")
        return [*map(str, names)], True
    count = getattr(pipeline, "n_features_in_", len(headers))
    if len(headers) != count:
        headers = [header for header in headers if not UNNAMED.fullmatch(header)]
    if len(headers) != count:
        raise NotBrought(
            f"the model takes {count} columns without names, and {data} has {len(headers)} besides "
            "the target: give those that it was fitted on, in their order"
        )
    return headers, False


def adapt(pipeline: Any, names: Sequence[str]) -> dict[str, list[str]]:
    """Let a model take frames as the service gives them; return the words it knows, by column.

    Of a column of text it knows none. A gap among words is `MISSING` here, not NaN or None.
    """
    known: dict[str, list[str]] = {}
    for part in parts(pipeline):
        for step, columns in _first_steps(part, names):
            is_fitted = isinstance(step, SimpleImputer) and hasattr(step, "statistics_")
            if is_fitted and step.statistics_.dtype.kind == "O":
                step.missing_values = MISSING
            if isinstance(step, (CountVectorizer, HashingVectorizer)):
                known.setdefault(columns[0], [])
            categories = getattr(step, "categories_", None)
            if isinstance(categories, list) and len(categories) == len(columns):
                step.categories_ = [*map(_without_gaps, categories)]
                for name, words in zip(columns, step.categories_, strict=True):
                    known.setdefault(name, [str(word) for word in words if word != MISSING])
    return known


def _first_steps(part: Any, names: Sequence[str]) -> Iterator[tuple[Any, Sequence[str]]]:
    """Yield the steps that see columns with their own words, and the names of these."""
    if isinstance(part, Pipeline):
        for _, step in part.steps:
            yield from _first_steps(step, names)
            if not isinstance(step, SimpleImputer):
                return
    elif isinstance(part, ColumnTransformer):
        for _, step, columns in part.transformers_:
            chosen: Any = columns if isinstance(columns, slice) else np.atleast_1d(columns)
            is_named = not isinstance(chosen, slice) and chosen.dtype.kind in "UO"
            own = chosen if is_named else np.array(names)[chosen]
            yield from _first_steps(step, list(own))
    else:
        yield part, names


def _without_gaps(words: np.ndarray) -> np.ndarray:
    if words.dtype.kind != "O":
        return words
    filled = [MISSING if word is None or word != word else word for word in words]
    return np.array(filled, dtype=object)
