"""What an answer consists of: its columns are declared once, for whatever writes them."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np

#: The JSON Schema of a probability.
_PROBABILITY = MappingProxyType({"type": "number", "minimum": 0, "maximum": 1})


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """The answer for one record; regressions and some classifiers have no probabilities."""

    value: Any  # the predicted class or number, ready for JSON
    probabilities: tuple[float, ...] | None = None  # one per class of the card, in its order
    probability: float | None = None  # that of the predicted class


class Decisions(NamedTuple):
    """The answers for n records, column by column.

    Attributes
    ----------
    chosen : list of int or None
        The index of each predicted class among the card's; None for regressions.
    numbers : ndarray of shape (n,) or None
        The predicted doubles of a regression.
    probabilities : ndarray of shape (n, n_classes) or None
        None for regressions and for classifiers that give none.
    """

    chosen: list[int] | None
    numbers: Any
    probabilities: Any

    @property
    def size(self) -> int:
        """The number of records."""
        return len(self.numbers if self.chosen is None else self.chosen)


class AnswerColumn(NamedTuple):
    """One column of an answer.

    Attributes
    ----------
    name : str
        Its key in JSON; its name in a table, where it has no keys.
    values : callable
        Returns the column from `Decisions`: places among `labels`, where there
        are any; else doubles, of shape (n,), or (n, keys).
    labels : tuple
        The classes that the values stand for; empty for numbers.
    keys : tuple of str
        The names of the numbers in each value: keys of an object in JSON,
        columns in a table; empty for one number.
    key_prefix : str
        What comes before these names in a table.
    tensor : str
        Its name as an output of the Open Inference Protocol; empty for none.
    schema : mapping
        The JSON Schema of each number; empty where it is the target's own.
    description : str
        What the column contains, where the name does not say it.
    """

    name: str
    values: Callable[[Decisions], Any]
    labels: tuple[Any, ...] = ()
    keys: tuple[str, ...] = ()
    key_prefix: str = ""
    tensor: str = ""
    schema: Mapping[str, Any] = MappingProxyType({})
    description: str = ""

    @property
    def headers(self) -> list[str]:
        """The names of its columns in a table."""
        return [self.key_prefix + key for key in self.keys] or [self.name]

    def labelled(self, decisions: Decisions) -> list[Any]:
        """Return the values row after row: labels, or numbers."""
        values = self.values(decisions)
        return [self.labels[at] for at in values] if self.labels else list(values.ravel().tolist())


def answer_columns(card: Mapping[str, Any]) -> tuple[AnswerColumn, ...]:
    """List the columns of a version's answers, what was predicted first."""
    if card["classes"] is None:
        return (AnswerColumn("value", attrgetter("numbers"), tensor="predict"),)
    classes = tuple(card["classes"])
    value = AnswerColumn("value", attrgetter("chosen"), labels=classes, tensor="predict")
    if not card["has_probabilities"]:
        return (value,)
    probability = AnswerColumn(
        "probability", _chosen_probability, schema=_PROBABILITY,
        description="Of the predicted class",
    )  # fmt: skip
    probabilities = AnswerColumn(
        "probabilities", attrgetter("probabilities"),
        keys=tuple(map(class_name, classes)), key_prefix="probability_",
        tensor="predict_proba", schema=_PROBABILITY,
    )  # fmt: skip
    return value, probability, probabilities


def prediction_json(columns: Sequence[AnswerColumn], prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as JSON has it; its attributes bear the names of the columns."""
    answer = {}
    for column in columns:
        value = getattr(prediction, column.name)
        answer[column.name] = dict(zip(column.keys, value, strict=True)) if column.keys else value
    return answer


@lru_cache(1000, typed=True)  # 1 equals True
def class_name(label: Any) -> str:
    """Write a class as a JSON key: true, false, or the label itself."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _chosen_probability(decisions: Decisions) -> Any:
    rows = decisions.probabilities
    return rows[np.arange(len(rows)), decisions.chosen]
