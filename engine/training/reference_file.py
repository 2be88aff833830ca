"""Write the reference of a version, which later rows are compared with."""

import json
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from engine.runtime.familiarity import CodedRows
from engine.runtime.reference import FORMAT, AnswersReference, FieldReference, Reference
from engine.schema.definition import ModelDefinition
from engine.schema.fields import MISSING, UNKNOWN, Field
from engine.scoring.judged import HeldOutAnswers

#: So many values of a field are kept at most. That is enough to notice a shift of a fifth of a
#: standard deviation, and little enough to keep 100 fields in 2 MB.
SAMPLE = 1000


def write_reference(
    definition: ModelDefinition, X: pd.DataFrame, judged: HeldOutAnswers,
    coded: CodedRows | None = None,
) -> bytes:  # fmt: skip
    """Return the content of `reference.json`.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_fields)
        The training rows, as the pipeline takes them.
    judged : HeldOutAnswers
        The answers to the held-out rows.
    coded : CodedRows or None
        Some of the training rows, by which unfamiliar records are found.
    """
    draw, inputs = np.random.default_rng(definition.seed), definition.schema.inputs
    reference = Reference(
        format=FORMAT,
        rows=len(X),
        fields={
            field.name: _field(field, X[field.name], draw)
            for field in inputs
            if not _is_private(field)
        },
        answers=_answers(judged, draw),
        typical={field.name: _typical(field, X[field.name]) for field in inputs},
        coded=coded,
    )
    return msgspec.json.encode(reference)


def _is_private(field: Field) -> bool:
    return bool(getattr(field, "private", False))


def _field(field: Field, column: pd.Series, draw: np.random.Generator) -> FieldReference:
    if field.words:
        counts = {str(word): int(n) for word, n in column.value_counts(sort=False).items()}
        missing, unknown = counts.pop(MISSING, 0), counts.pop(UNKNOWN, 0)
        return FieldReference(counts=dict(sorted(counts.items())), missing=missing, unknown=unknown)
    values = column.str.len().replace(0, np.nan) if field.is_text else column
    numbers = values.to_numpy(dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    low, high = field.usual_range()
    outside = int(((numbers < low) | (numbers > high)).sum())
    missing = len(column) - len(numbers)
    return FieldReference(sample=_sample(numbers, draw), missing=missing, outside=outside)


def _answers(judged: HeldOutAnswers, draw: np.random.Generator) -> AnswersReference:
    rows = len(judged.truth)
    if judged.classes is None:
        return AnswersReference(rows, sample=_sample(judged.predicted.astype(np.float64), draw))
    counts = {json.dumps(each): int((judged.predicted == each).sum()) for each in judged.classes}
    has_positive = judged.positive is not None and judged.probabilities is not None
    positive = _sample(judged.positive_probability(), draw) if has_positive else []
    return AnswersReference(rows, counts=counts, positive=positive)


def _sample(numbers: np.ndarray, draw: np.random.Generator) -> list[float]:
    """Return some numbers, sorted, so that none tells the row that it is from."""
    if len(numbers) > SAMPLE:
        numbers = draw.choice(numbers, SAMPLE, replace=False)
    return list(np.sort(numbers).tolist())


def _typical(field: Field, column: pd.Series) -> Any:
    """Return the median or the most frequent value, as JSON; None where that is a gap."""
    if _is_private(field) or (field.is_text and not field.words):
        return field.example  # which the model file shows anyway: no row's own text
    if field.words:
        counts = column[column != UNKNOWN].value_counts()
        return field.json_value(counts.index[0]) if len(counts) else field.example
    numbers = np.sort(column.to_numpy(dtype=np.float64))  # gaps last
    values = int(np.isfinite(numbers).sum())
    place = (values - 1) // 2 if 2 * values >= len(numbers) else -1
    return field.json_value(float(numbers[place]))
