"""Have the rows that are answered moved away from those that a version learnt from?

Every field is compared with the version's `reference.json`, and so are the answers. A field has
shifted where the difference is no chance, all comparisons of the report taken together, and
large enough to matter. Rows are taken as independent: those of one batch or customer are not.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
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
from engine.runtime.answers import Decisions, Prediction, class_name
from engine.runtime.coarsening import coarsen
from engine.runtime.reference import AnswersReference, FieldReference, Reference
from engine.schema.card import Card
from engine.schema.fields import MISSING, UNKNOWN, Date, Field
from engine.schema.record_schema import Coding, Schema, numbers_of
from engine.scoring.judged import HeldOutAnswers, judge
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
    """Rows with their answers, whose truth is not looked at.

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
        return [*dict.fromkeys(entry.field for entry in self.comparisons if entry.is_shifted)]


def judged_rows(rows: Sequence[PredictionRow], truth: Sequence[Any], card: Card) -> HeldOutAnswers:
    """Return predictions beside their true values."""
    names = [*map(class_name, card["classes"] or ())]
    shares = (row.probabilities and tuple(map(row.probabilities.get, names)) for row in rows)
    predictions = [*map(Prediction, (row.value for row in rows), shares)]  # type: ignore[arg-type]
    dtype = float if card["classes"] is None else object  # of texts, whatever their length
    return judge(np.array(truth, dtype), predictions, card)


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
    values = decisions.numbers
    if decisions.chosen is not None:
        values = np.array(card["classes"], object)[decisions.chosen]
    answers = HeldOutAnswers(
        values, values, decisions.probabilities, card["classes"], card["positive"]
    )
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
        fields = Schema.from_json(card["schema"]).inputs
        dates = [field.name for field in fields if isinstance(field, Date)]
        dated = {*product(dates, ("values", "beyond"))}  # time passes, which is no drift
        for field in fields:
            if entry := reference.fields.get(field.name):
                column = window.columns[field.name]
                report.comparisons += _field(field, entry, reference.rows, column)
        report.comparisons += _answers(reference.answers, window.answers)
        adjusted = holm([comparison.p for comparison in report.comparisons])
        for comparison, p in zip(report.comparisons, adjusted, strict=True):
            comparison.p = p
            moves_by_nature = (comparison.field, comparison.what) in dated
            comparison.is_shifted = p <= LEVEL and _matters(comparison) and not moves_by_nature
        report.verdict = "drift" if report.shifted else "none"
        report.reason = f"shifted: {', '.join(report.shifted)}" if report.shifted else "no shift"
    return report


def _matters(comparison: Comparison) -> bool:
    least = RATE if comparison.psi is None else MOVED
    return abs(comparison.size) >= least or (comparison.psi or 0) >= PSI


def _field(field: Field, entry: FieldReference, rows: int, column: Any) -> Iterator[Comparison]:
    name, size = field.name, len(column)
    unknown = outside = 0
    if field.words:
        words = Counter(column)
        missing, unknown = words.pop(MISSING, 0), words.pop(UNKNOWN, 0)
        yield from _words(name, entry.counts, words)
    else:
        numbers = numbers_of(field, column)  # of texts, their lengths
        numbers = numbers[np.isfinite(numbers)]
        missing = size - len(numbers)
        low, high = field.usual_range()
        outside = int(((numbers < low) | (numbers > high)).sum())
        yield from _numbers(name, entry.sample, entry.decimals, numbers)
    for what, before, now in (
        ("gaps", entry.missing, missing),
        ("unknown", entry.unknown, unknown),
        ("outside", entry.outside, outside),
    ):
        if before or now:
            p = compare_rates(before, rows, now, size)
            yield _rate(name, what, p, before / rows, now / size)


def _answers(before: AnswersReference, answers: HeldOutAnswers) -> Iterator[Comparison]:
    if answers.classes is None:
        yield from _numbers(ANSWER, before.sample, before.decimals, answers.predicted)
        return
    words = Counter(map(class_name, answers.predicted.tolist()))
    yield from _words(ANSWER, before.counts, words)
    if before.positive and answers.probabilities is not None:
        shares = coarsen(answers.positive_probability(), before.decimals)
        yield _values(PROBABILITY, compare_numbers(np.array(before.positive), shares))


def _words(name: str, counts: Mapping[str, int], words: Counter[str]) -> Iterator[Comparison]:
    if any(counts.values()) and words:
        yield _values(name, compare_words(counts, words))


def _numbers(
    name: str, kept: list[float], decimals: int | None, numbers: np.ndarray
) -> Iterator[Comparison]:
    """Compare numbers with a sorted sample: their values, and how many lie beyond it."""
    if not (kept and len(numbers)):
        return
    sample, numbers = np.array(kept), coarsen(numbers, decimals)
    yield _values(name, compare_numbers(sample, numbers))
    if hits := max(int((numbers < sample[0]).sum()), int((numbers > sample[-1]).sum())):
        p = beyond(len(sample), len(numbers), hits)
        yield _rate(name, "beyond", p, 0.0, hits / len(numbers))


def _values(name: str, difference: Difference) -> Comparison:
    return Comparison(name, "values", difference.moved, difference.p, psi=difference.psi)


def _rate(name: str, what: str, p: float, before: float, now: float) -> Comparison:
    return Comparison(name, what, now - before, p, reference=before, current=now)
