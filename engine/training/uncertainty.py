"""What a card says of how sure its answers are, and the rows by which records are unfamiliar."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.runtime.familiarity import CodedRows, code_rows
from engine.schema.definition import ModelDefinition
from engine.schema.fields import Field, Flag
from engine.schema.record_schema import Coding
from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation.conformal import calibrate, splits_of
from engine.training.split import Split, split_keys

#: So many training rows say where errors are large, and are coded; as many held-out rows are coded.
_MOST_ROWS = 2000

#: The share of the held-out rows that are as near as a familiar record, and how many it takes.
_FAMILIAR, _FEWEST = 0.99, 20


def uncertainty(
    definition: ModelDefinition, table: pd.DataFrame, X: pd.DataFrame, split: Split,
    judged: HeldOutAnswers, answer: Callable[[np.ndarray], HeldOutAnswers],
) -> tuple[dict[str, Any], CodedRows | None]:  # fmt: skip
    """Return the card's entry and the coded training rows.

    Parameters
    ----------
    judged : HeldOutAnswers
        The answers to the held-out rows.
    answer : callable
        Answers rows of the table by their positions.
    """
    if not definition.interval and judged.classes is None:
        return {}, None
    if split.way == "none":
        return {"remark": "the model may have learnt from the rows that judge it"}, None
    inputs, draw = definition.schema.inputs, np.random.default_rng(definition.seed)
    some, unseen = (
        np.sort(draw.permutation(rows)[:_MOST_ROWS]) for rows in (split.train, split.held_out)
    )
    entry: dict[str, Any] = {}
    keys, is_by_time = split_keys(definition, table, X), split.way.startswith("time:")
    if judged.classes is None or judged.probabilities is not None:
        trained = answer(some) if judged.classes is None else None
        words = _words(X.iloc[split.held_out], inputs)
        entry |= calibrate(
            judged, trained, words, definition.target.name, keys[split.held_out],
            is_by_time=is_by_time,
        )  # fmt: skip
    coding = Coding(inputs)
    known, others = (
        coding.pack({each.name: X[each.name].iloc[rows].to_numpy() for each in inputs})
        for rows in (some, unseen)
    )
    coded = code_rows(known, inputs)
    if coded is not None and len(unseen) >= _FEWEST:
        entry["familiarity"] = _familiarity(
            coded.distances(others, inputs), keys[unseen], is_by_time=is_by_time
        )
    return entry, coded


def _words(X: pd.DataFrame, inputs: Sequence[Field]) -> pd.DataFrame:
    """Return the fields of words and flags as words."""
    flags = {1.0: "true", 0.0: "false"}
    return pd.DataFrame({
        field.name: X[field.name].map(flags) if isinstance(field, Flag) else X[field.name]
        for field in inputs
        if (field.words or isinstance(field, Flag)) and not field.private
    })  # fmt: skip


def _familiarity(distances: np.ndarray, keys: np.ndarray, *, is_by_time: bool) -> dict[str, Any]:
    """Return the threshold of distances, and how many rows are beyond one that others made."""
    alarms = [
        np.concatenate([distances[judged] > _threshold(distances[rows]) for judged, rows in splits])
        for splits in splits_of(len(distances), keys, is_by_time=is_by_time)
        if splits
    ]
    return {
        "threshold": _threshold(distances),
        "false_alarms": round(max(float(are_beyond.mean()) for are_beyond in alarms), 4),
        "rows": len(distances),
    }


def _threshold(distances: np.ndarray) -> float:
    rank = min(len(distances), int(np.ceil(_FAMILIAR * (len(distances) + 1))))
    return float(np.sort(distances)[rank - 1]) if rank else np.inf
