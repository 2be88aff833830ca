"""What an answer consists of: its columns are declared once, for whatever writes them."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.runtime.coverage import COVERAGE, has_limits
from engine.schema.kinds.field import KINDS, Field

_encode = msgspec.json.Encoder().encode

#: The JSON Schema of a probability.
_PROBABILITY = MappingProxyType({"type": "number", "minimum": 0, "maximum": 1})


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """The answer for one record; regressions and some classifiers have no probabilities."""

    value: Any  # the predicted class or number, ready for JSON
    probabilities: tuple[float, ...] | None = None  # one per class of the card, in its order
    probability: float | None = None  # that of the predicted class
    identifiers: Mapping[str, Any] | None = None  # of the record, where its model has any
    interval: tuple[float, float] | None = None  # where a regression has one


class Decisions(NamedTuple):
    """The answers for n records, column by column; None where a model has no such column."""

    chosen: list[int] | None  # the index of each predicted class among the card's
    numbers: Any  # the doubles that a regression predicts, of shape (n,)
    probabilities: Any  # of shape (n, n_classes)
    identifiers: Mapping[str, list[Any]] | None = None  # the values of each, n of them
    interval: Any = None  # of shape (n, 2)

    @property
    def size(self) -> int:
        """The number of records."""
        return len(self.numbers if self.chosen is None else self.chosen)

    def prediction(self, row: int, classes: Sequence[Any] | None) -> Prediction:
        """Return the answer for one of the records."""
        shares = None if self.probabilities is None else tuple(self.probabilities[row].tolist())
        echoes = (self.identifiers or {}).items()
        identifiers = {name: values[row] for name, values in echoes} or None
        if self.chosen is None or classes is None:
            interval = None if self.interval is None else tuple(self.interval[row].tolist())
            return Prediction(float(self.numbers[row]), None, None, identifiers, interval)
        at = self.chosen[row]
        value = classes[at] if at >= 0 else math.nan  # a record without an answer
        return Prediction(value, shares, None if shares is None else shares[at], identifiers)


class AnswerColumn(NamedTuple):
    """One column of an answer.

    Its values are places among the labels, where there are any; else doubles,
    of shape (n,), or (n, keys); or the identifiers of the records, as JSON has them.
    """

    name: str  # its key in JSON; its name in a table, where it has no keys
    values: Callable[[Decisions], Any]
    labels: tuple[Any, ...] = ()  # the classes that the values stand for
    keys: tuple[str, ...] = ()  # of the numbers in each value; each is a column of a table
    key_prefix: str = ""  # what comes before the keys in a table
    constants: Mapping[str, Any] = MappingProxyType({})  # which JSON has behind the keys
    tensor: str = ""  # its name as an output of the Open Inference Protocol; empty for none
    schema: Mapping[str, Any] = MappingProxyType({})  # of each number; empty: the target's own
    description: str = ""
    is_echo: bool = False  # whether its values are identifiers

    @property
    def headers(self) -> list[str]:
        """The names of its columns in a table."""
        return [self.key_prefix + key for key in self.keys] or [self.name]

    def labelled(self, decisions: Decisions) -> list[Any]:
        """Return the values row after row: labels, or numbers."""
        values = self.values(decisions)
        if self.is_echo:
            return list(values)
        return [self.labels[at] for at in values] if self.labels else list(values.ravel().tolist())


def answer_columns(card: Mapping[str, Any], coverage: float = COVERAGE) -> tuple[AnswerColumn, ...]:
    """List the columns of a version's answers: what was predicted first, identifiers last.

    Those of a regression have an interval where its card has one of the coverage.
    """
    entries = card["schema"]["fields"]
    echoes = [
        _echo(Field.from_json(entry)) for entry in entries if not KINDS[entry["kind"]].is_input
    ]
    if card["classes"] is None:
        value = AnswerColumn("value", attrgetter("numbers"), tensor="predict")
        interval = AnswerColumn(
            "interval", attrgetter("interval"), keys=("low", "high"), key_prefix="interval_",
            constants={"coverage": coverage}, schema={"type": "number"},
            description="Between both lies the true value of a share of all records: the coverage",
        )  # fmt: skip
        return (value, *([interval] if has_limits(card, coverage) else []), *echoes)
    classes = tuple(card["classes"])
    value = AnswerColumn("value", attrgetter("chosen"), labels=classes, tensor="predict")
    if not card["has_probabilities"]:
        return (value, *echoes)
    probability = AnswerColumn(
        "probability", _chosen_probability, schema=_PROBABILITY,
        description="Of the predicted class",
    )  # fmt: skip
    probabilities = AnswerColumn(
        "probabilities", attrgetter("probabilities"),
        keys=tuple(map(class_name, classes)), key_prefix="probability_",
        tensor="predict_proba", schema=_PROBABILITY,
    )  # fmt: skip
    return value, probability, probabilities, *echoes


def _echo(field: Field) -> AnswerColumn:
    schema = field.json_schema()
    if field.missing == "accept":
        schema = {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    return AnswerColumn(
        field.name, lambda decisions: (decisions.identifiers or {})[field.name], tensor=field.name,
        schema=schema, description="Of the record", is_echo=True,
    )  # fmt: skip


def echoed(columns: Sequence[AnswerColumn], decisions: Decisions) -> dict[str, Any]:
    """Return what an answer of bare values has beside them: the identifiers, if there are any."""
    values = {column.name: column.values(decisions) for column in columns if column.is_echo}
    return {"identifiers": values} if values else {}


def prediction_json(columns: Sequence[AnswerColumn], prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as JSON has it; its attributes bear the names of the columns."""
    answer: dict[str, Any] = {}
    for column in columns:
        if column.is_echo:
            answer |= prediction.identifiers or {}
            continue
        value = getattr(prediction, column.name)
        if column.keys:
            value = {**dict(zip(column.keys, value, strict=True)), **column.constants}
        answer[column.name] = value
    return answer


def answer_json(
    card: Mapping[str, Any], answered: Prediction | Sequence[Prediction], date: Any,
    coverage: float = COVERAGE,
) -> dict[str, Any]:  # fmt: skip
    """Return the answer to one record, or many, as JSON has it."""
    columns = answer_columns(card, coverage)
    predicted: dict[str, Any]
    if isinstance(answered, Prediction):
        predicted = {"prediction": prediction_json(columns, answered)}
    else:
        predicted = {"predictions": [prediction_json(columns, row) for row in answered]}
    return {
        **predicted,
        "prediction_time": date,
        "model": {"name": card["model"], "version": card["version"]},
    }


class AnswerTemplate:
    """Writes the answers to single records as `answer_json` with the numbers and the date put in.

    There is a form for each class, and one for a number.
    """

    def __init__(self, card: Mapping[str, Any], coverage: float = COVERAGE) -> None:
        classes = card["classes"]
        self._is_number = classes is None
        shares: Any = tuple(map(_slot, range(len(classes)))) if card["has_probabilities"] else None
        number = Prediction(_slot(0), interval=(_slot(1), _slot(2)))
        predictions = {None: number} if classes is None else {
            label: Prediction(label, shares, _slot(place)) for place, label in enumerate(classes)
        }  # fmt: skip
        self._forms = {
            label: _form(answer_json(card, prediction, msgspec.Raw(b'"\0date\0"'), coverage))
            for label, prediction in predictions.items()
        }

    def write(self, prediction: Prediction, date: str) -> bytes | None:
        """Write an answer in JSON; None when there is none, or a number is not finite."""
        value: Any = prediction.value
        numbers: tuple[float, ...] | None = prediction.probabilities
        if self._is_number:
            value, numbers = None, (value, *(prediction.interval or ()))
        if (form := self._forms.get(value)) is None:
            return None
        parts, places = form
        parts = parts.copy()
        if numbers:
            if not math.isfinite(prediction.value if self._is_number else sum(numbers)):
                return None
            written = _encode(numbers)[1:-1].split(b",")
            parts[1:-2:2] = [written[place] for place in places]
        parts[-2] = date.encode()
        return b"".join(parts)


def _slot(place: int) -> Any:
    return msgspec.Raw(b"\0%d\0" % place)  # nothing that is written in JSON has such bytes


def _form(answer: dict[str, Any]) -> tuple[list[bytes], list[int]]:
    """Return an answer in parts, of which every other is a slot, and the numbers' places."""
    parts = (_encode(answer) + b"\n").split(b"\0")
    return parts, [*map(int, parts[1:-2:2])]


@lru_cache(1000, typed=True)  # 1 equals True
def class_name(label: Any) -> str:
    """Write a class as a JSON key: true, false, or the label itself."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _chosen_probability(decisions: Decisions) -> Any:
    rows = decisions.probabilities
    return rows[np.arange(len(rows)), decisions.chosen]
