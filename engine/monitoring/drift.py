"""Have the rows that are answered moved away from those that a version learnt from?

Every field is compared with the version's `reference.json`, and so are the answers. A field has
shifted where the difference is no chance, all comparisons of the report taken together, and
large enough to matter. Rows are taken as independent: those of one batch or customer are not.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.monitoring.statistics import (
    Difference,
    beyond,
    compare_numbers,
    compare_rates,
    compare_words,
    holm,
)
from engine.runtime.answers import Decisions, class_name
from engine.runtime.reference import FieldReference, Reference
from engine.schema.card import Card
from engine.schema.fields import MISSING, UNKNOWN, Field
from engine.schema.record_schema import Coding, Schema, numbers_of
from engine.scoring.judged import HeldOutAnswers
from persistence.prediction_rows import PredictionRow

#: With fewer rows nothing is said.
FEWEST_ROWS = 100

#: Rows that have not moved are to be reported in 1 % of cases at most. Chi-square is only nearly
#: right where words are rare, so it is tested at half of that.
LEVEL = 0.005

#: What matters: a PSI of 0.1, a tenth of the rows elsewhere; 2 % more or fewer gaps and the like.
PSI, MOVED, RATE = 0.1, 0.1, 0.02

#: What stands in the place of a field's name for the answers, and for the positive probability.
ANSWER, PROBABILITY = "(answer)", "(probability)"


class Window(NamedTuple):
    """Rows with their answers, whose classes are texts: the truth of these is not looked at.

    The columns have the values of each field as the pipeline takes them.
    """

    columns: Mapping[str, Any]
    answers: HeldOutAnswers


class Comparison(msgspec.Struct, omit_defaults=True):
    """A field of the reference beside that of the window, in one respect.

    Attributes
    ----------
    what : str
        "values", or the rate of "gaps", "unknown" words, values "outside" the declared range or
        "beyond" all of the reference.
    size : float
        How large the difference is: the share of rows that moved, or the difference of the rates.
    p : float
        The probability of so large a difference between equal samples, all of the report together.
    """

    field: str
    what: str
    size: float
    p: float
    is_shifted: bool = False
    psi: float | None = None
    reference: float | None = None
    current: float | None = None


class Expected(msgspec.Struct):
    """A score to expect, and the ends between which 95 of 100 measured ones are to lie."""

    value: float
    low: float
    high: float


class Report(msgspec.Struct):
    """What a comparison has found; `verdict` is "drift", "none" or "unknown", with a reason.

    `expected` are the scores to expect of the answers, whose truth may come later.
    """

    model: str
    version: str
    rows: int
    verdict: str
    reason: str
    comparisons: list[Comparison] = []
    expected: dict[str, Expected] = {}
    checked_at: float = 0.0  # seconds since 1970

    @property
    def shifted(self) -> list[str]:
        """The fields that have shifted, each once."""
        return [*dict.fromkeys(each.field for each in self.comparisons if each.is_shifted)]


def judged_rows(rows: Sequence[PredictionRow], truth: Sequence[Any], card: Card) -> HeldOutAnswers:
    """Return predictions beside their true values; classes become texts."""
    values = [row.value for row in rows]
    if card["classes"] is None:
        return HeldOutAnswers(np.array(truth, dtype=float), np.array(values, dtype=float))
    labels, shares = [*map(class_name, card["classes"])], None
    if all(row.probabilities for row in rows):
        named = [row.probabilities or {} for row in rows]
        shares = np.array([[each.get(label, 0.0) for label in labels] for each in named])
    true, predicted = (np.array([*map(class_name, each)]) for each in (truth, values))
    return HeldOutAnswers(true, predicted, shares, labels, class_name(card["positive"]))


def logged_window(card: Card, rows: Sequence[PredictionRow]) -> Window:
    """Return the rows of the log that one version has answered one by one."""
    rows = [row for row in rows if row.record is not None]
    columns = {
        field.name: [field.read((row.record or {}).get(field.name))[0] for row in rows]
        for field in Schema.from_json(card["schema"]).inputs
    }
    return Window(columns, judged_rows(rows, [row.value for row in rows], card))


def answered_window(card: Card, matrix: Any, decisions: Decisions) -> Window:
    """Return records as a version has decoded them, with its answers."""
    columns = Coding(Schema.from_json(card["schema"]).fields).unpack(matrix)
    if decisions.chosen is None:
        return Window(columns, HeldOutAnswers(decisions.numbers, decisions.numbers))
    labels = [*map(class_name, card["classes"])]
    chosen, positive = np.array(labels)[decisions.chosen], class_name(card["positive"])
    answers = HeldOutAnswers(chosen, chosen, decisions.probabilities, labels, positive)
    return Window(columns, answers)


def compare(card: Card, reference: Reference | None, window: Window) -> Report:
    """Compare a window with the reference of the version that has answered it."""
    rows = len(window.answers.predicted)
    report = Report(card["model"], card["version"], rows, "unknown", "", checked_at=time.time())
    if reference is None:
        report.reason = "the version was trained before references were kept: train it again"
    elif rows < FEWEST_ROWS:
        report.reason = f"not enough yet: {rows} of {FEWEST_ROWS} rows"
    else:
        fields = _fields(card, reference, window)
        report.comparisons = [*fields, *_answers(reference, window.answers)]
        adjusted = holm([each.p for each in report.comparisons])
        for each, p in zip(report.comparisons, adjusted, strict=True):
            each.p = p
            each.is_shifted = p <= LEVEL and _matters(each)
        report.verdict = "drift" if report.shifted else "none"
        report.reason = f"shifted: {', '.join(report.shifted)}" if report.shifted else "no shift"
    return report


def _matters(each: Comparison) -> bool:
    return abs(each.size) >= (RATE if each.psi is None else MOVED) or (each.psi or 0) >= PSI


def _fields(card: Mapping[str, Any], reference: Reference, window: Window) -> Iterator[Comparison]:
    for field in Schema.from_json(card["schema"]).inputs:
        if entry := reference.fields.get(field.name):
            yield from _field(field, entry, reference.rows, window.columns[field.name])


def _field(field: Field, entry: FieldReference, rows: int, column: Any) -> Iterator[Comparison]:
    name, size = field.name, len(column)
    unknown = outside = 0
    if field.words:
        words = Counter(column)
        missing, unknown = words.pop(MISSING, 0), words.pop(UNKNOWN, 0)
        if entry.counts and words:
            yield _values(name, compare_words(entry.counts, words))
    else:
        numbers = _numbers(field, column)
        missing = size - len(numbers)
        low, high = field.usual_range()
        outside = int(((numbers < low) | (numbers > high)).sum())
        yield from _compared(name, np.array(entry.sample), numbers)
    for what, before, now in (
        ("gaps", entry.missing, missing),
        ("unknown", entry.unknown, unknown),
        ("outside", entry.outside, outside),
    ):
        if before or now:
            p = compare_rates(before, rows, now, size)
            yield _rate(name, what, p, before / rows, now / size)


def _numbers(field: Field, column: Any) -> np.ndarray:
    """Return the numbers of a column without its gaps; of texts, their lengths."""
    numbers = numbers_of(field, column)
    return np.asarray(numbers[np.isfinite(numbers)])


def _compared(name: str, sample: np.ndarray, numbers: np.ndarray) -> Iterator[Comparison]:
    """Compare numbers with a sorted sample: their values, and how many lie beyond it."""
    if not (len(sample) and len(numbers)):
        return
    yield _values(name, compare_numbers(sample, numbers))
    if hits := max(int((numbers < sample[0]).sum()), int((numbers > sample[-1]).sum())):
        p = beyond(len(sample), len(numbers), hits)
        yield _rate(name, "beyond", p, 0.0, hits / len(numbers))


def _values(name: str, difference: Difference) -> Comparison:
    return Comparison(name, "values", difference.moved, difference.p, psi=difference.psi)


def _rate(name: str, what: str, p: float, before: float, now: float) -> Comparison:
    return Comparison(name, what, now - before, p, reference=before, current=now)


def _answers(reference: Reference, answers: HeldOutAnswers) -> Iterator[Comparison]:
    before = reference.answers
    if answers.classes is None:
        yield from _compared(ANSWER, np.array(before.sample), answers.predicted)
        return
    yield _values(ANSWER, compare_words(before.counts, Counter(answers.predicted.tolist())))
    if before.positive and answers.probabilities is not None:
        sample = np.array(before.positive)
        yield _values(PROBABILITY, compare_numbers(sample, answers.positive_probability()))
