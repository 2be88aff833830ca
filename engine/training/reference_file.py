"""Write the reference of a version, which later rows are compared with."""

from typing import Any

import msgspec
import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax

from engine.runtime.answers import class_name
from engine.runtime.coarsening import coarsen, decimals_of
from engine.runtime.familiarity import CodedRows
from engine.runtime.reference import FORMAT, AnswersReference, FieldReference, Reference, log_shares
from engine.schema.definition import ModelDefinition
from engine.schema.fields import UNKNOWN, Field
from engine.schema.record_schema import numbers_of
from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation.reference import count_words

#: So many values of a field are kept at most. That is enough to notice a shift of a fifth of a
#: standard deviation, and little enough to keep 100 fields in 2 MB.
SAMPLE = 1000

#: Residuals are kept by so many bins of the answer at most, of so many rows each.
MOST_BINS, FEWEST_IN_BIN, BIN_SAMPLE = 10, 50, 200


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
            field.name: _field(field, X[field.name], draw) for field in inputs if not field.private
        },
        answers=describe_answers(judged, draw),
        typical={field.name: _typical(field, X[field.name]) for field in inputs},
        coded=coded,
    )
    return msgspec.json.encode(reference)


def _field(field: Field, column: pd.Series, draw: np.random.Generator) -> FieldReference:
    if field.words:
        return FieldReference(**count_words(column, field.words))
    numbers = numbers_of(field, column)
    numbers = numbers[np.isfinite(numbers)]
    low, high = field.usual_range()
    outside = int(((numbers < low) | (numbers > high)).sum())
    missing, decimals = len(column) - len(numbers), decimals_of(numbers)
    sample = _sample(numbers, draw, decimals)
    return FieldReference(sample, decimals, missing=missing, outside=outside)


def describe_answers(judged: HeldOutAnswers, draw: np.random.Generator) -> AnswersReference:
    """Describe the answers to held-out rows, and how they differ from the truth."""
    answers = AnswersReference(len(judged.truth))
    if judged.classes is None:
        predicted = judged.predicted.astype(np.float64)
        answers.decimals = decimals_of(predicted)
        answers.sample = _sample(predicted, draw, answers.decimals)
        answers.edges, bins = _bins(coarsen(predicted, answers.decimals))
        errors = judged.truth - judged.predicted
        answers.residuals = [
            _sample(errors[bins == place], draw, decimals_of(errors), BIN_SAMPLE)
            for place in range(len(answers.edges) + 1)
        ]
        return answers
    tally = ((label, int((judged.predicted == label).sum())) for label in judged.classes)
    answers.counts = {class_name(label): rows for label, rows in tally}
    if judged.probabilities is not None:
        answers.slope, *answers.offsets = _calibration(judged)
        if judged.positive is not None:
            shares = judged.positive_probability()
            answers.decimals = decimals_of(shares)
            answers.positive = _sample(shares, draw, answers.decimals)
    return answers


def _bins(answers: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Return the inner edges of bins with about as many answers each, and the bin of each."""
    shares = np.linspace(0, 1, max(1, min(MOST_BINS, len(answers) // FEWEST_IN_BIN)) + 1)[1:-1]
    edges = np.unique(np.quantile(answers, shares, method="lower"))
    edges = edges[edges > answers.min()]  # so no bin is empty
    return list(edges.tolist()), np.searchsorted(edges, answers, side="right")


def _calibration(judged: HeldOutAnswers) -> list[float]:
    """Fit a slope and an offset per class to log-probabilities, with the least log loss.

    For two classes it is Platt's scaling (1999). A penalty that weighs as much as one row keeps
    the offsets of classes without rows near 0.
    """
    assert judged.classes is not None and judged.probabilities is not None
    logs = log_shares(judged.probabilities)
    is_class = np.stack([judged.truth == label for label in judged.classes], axis=1)
    start = np.array([1.0, *np.zeros(logs.shape[1])])

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = log_softmax(at[0] * logs + at[1:], axis=1)
        rest, change = np.exp(scaled) - is_class, at - start
        gradient = np.array([(rest * logs).sum(), *rest.sum(axis=0)]) + change
        return (change @ change / 2 - scaled[is_class].sum()) / len(logs), gradient / len(logs)

    return list(minimize(loss, start, jac=True, method="L-BFGS-B").x.tolist())


def _sample(
    numbers: np.ndarray, draw: np.random.Generator, decimals: int | None, most: int = SAMPLE
) -> list[float]:
    """Return some numbers, rounded and sorted, so that none tells the row that it is from."""
    if len(numbers) > most:
        numbers = draw.choice(numbers, most, replace=False)
    return list(np.sort(coarsen(numbers, decimals)).tolist())


def _typical(field: Field, column: pd.Series) -> Any:
    """Return the median or the most frequent value, as JSON; None where that is a gap."""
    if field.private or (field.is_text and not field.words):
        return field.example  # which the model file shows anyway: no row's own text
    if field.words:
        counts = column[column != UNKNOWN].value_counts()
        return field.json_value(counts.index[0]) if len(counts) else field.example
    numbers = np.sort(column.to_numpy(dtype=np.float64))  # gaps last
    numbers = numbers[np.isfinite(numbers)]
    if 2 * len(numbers) < len(column):
        return None
    median = coarsen(numbers[(len(numbers) - 1) // 2], decimals_of(numbers))
    with np.errstate(over="ignore"):  # there is no single next to a large double
        accepted = field.near(np.clip([median], *field.clean_range()))
    return field.json_value(float(accepted[0] if len(accepted) else median))
