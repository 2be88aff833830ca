"""What each field contributes to an answer, against the typical record of a version.

The contributions are Shapley values of the game in which a coalition of fields has the record's
own values, and the other fields those of the typical record (Shapley 1953; Lundberg and Lee 2017,
interventional, with this one reference). They add up to the answer less that to the typical record.
"""

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.languages import local_number
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion
from engine.schema.fields import Field
from engine.schema.kinds.category import UNKNOWN
from engine.schema.messages import plain
from engine.schema.record_schema import Coding

#: With so many fields that differ from the typical record, all coalitions are answered.
EXACT_FIELDS = 13
#: Beyond, about so many answers are drawn, and at least so many pairs of orders.
_DRAWN_ROWS, _LEAST_PAIRS = 2**13, 16

#: Answers coalitions, rows of truth values; and what each field contributes, and its error.
_Game = Callable[[Any], Any]
_Shares = tuple[Any, float]


class NotExplained(ValueError):
    """Why a record has no explanation, as a predicate."""


def typical_row(version: StoredVersion, row: Any) -> Any:
    """Return a row whose inputs are those of the typical record; the rest is as in the row."""
    typical = row.copy()
    assert version.reference is not None
    for place, field in enumerate(version.schema.fields):
        if field.is_input:
            typical[place] = coded(field, version.reference.typical[field.name])
    return typical


def coded(field: Field, value: Any) -> Any:
    """Return what stands for a valid JSON value in a matrix."""
    clean = field.read(value)[0]
    return field.word_codes[clean] if field.words else clean


def differing(version: StoredVersion, first: Any, second: Any) -> list[int]:
    """List the places of the inputs that differ in two rows; gaps are the same."""
    is_other = (first != second) & ~((first != first) & (second != second))
    return [at for at in np.flatnonzero(is_other).tolist() if version.schema.fields[at].is_input]


def measured(decisions: Decisions, output: int | None) -> Any:
    """Return the numbers of decisions, or the probabilities of the class at a place."""
    return decisions.numbers if output is None else decisions.probabilities[:, output]


def explain(
    version: StoredVersion,
    row: Any,
    output: int | None,
    *,
    most_rows: int,
    count_rows: Callable[[int], None],
) -> dict[str, Any]:
    """Explain the answer to a record: its number, or the probability of the class at a place.

    Raise `NotExplained` where more than so many rows would have to be answered, or an answer on
    the way is not finite.
    """
    typical = typical_row(version, row)
    others = differing(version, row, typical)

    def answers(coalitions: Any) -> Any:
        count_rows(len(coalitions))
        rows = np.tile(typical, (len(coalitions), 1))
        rows[:, others] = np.where(coalitions, row[others], typical[others])
        values = measured(version.decide_matrix(rows), output)
        if not np.isfinite(values).all():
            raise NotExplained(_("has no finite answer between it and the typical record"))
        return np.asarray(values, np.float64)

    count, is_exact = len(others), len(others) <= EXACT_FIELDS
    pairs = min(most_rows, _DRAWN_ROWS) // (2 * count + 2)
    if is_exact and 2**count <= most_rows:
        shares, error = _exact(answers, count), 0.0
    elif pairs >= _LEAST_PAIRS:
        (shares, error), is_exact = _drawn(answers, count, pairs), False
    else:
        raise NotExplained(_("takes too long to explain with this model"))
    inputs = [place for place, field in enumerate(version.schema.fields) if field.is_input]
    contributions = dict.fromkeys(inputs, 0.0) | dict(zip(others, shares.tolist(), strict=True))
    return {
        "method": "exact" if is_exact else "sampled",
        "error": error,
        "typical": float(answers(np.zeros((1, count), bool))[0]),
        "contributions": _listed(version, row, typical, contributions),
    }


def _exact(answers: _Game, count: int) -> Any:
    """Return the Shapley values of so many fields from the answers to all coalitions."""
    coalitions = np.arange(2**count)[:, None] >> np.arange(count) & 1 == 1
    values, sizes = answers(coalitions), coalitions.sum(axis=1)
    weights = np.array([1 / (count * comb(count - 1, size)) for size in range(count)] + [0.0])
    shares = np.empty(count)
    for field in range(count):
        without, joined = np.moveaxis(values.reshape(-1, 2, 2**field), 1, 0)
        shares[field] = (weights[sizes.reshape(-1, 2, 2**field)[:, 0]] * (joined - without)).sum()
    return shares


def _drawn(answers: _Game, count: int, pairs: int) -> _Shares:
    """Estimate the Shapley values: by orders of the fields, each together with its reverse.

    The error is the greatest standard error of a value.
    """
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(count), (pairs, 1)), axis=1)
    orders = np.stack([orders, orders[:, ::-1]], axis=1)
    ranks = np.argsort(orders, axis=-1)
    coalitions = ranks[:, :, None] < np.arange(count + 1)[:, None]
    values = answers(coalitions.reshape(-1, count)).reshape(pairs, 2, count + 1)
    gains = np.take_along_axis(np.diff(values), ranks, axis=-1).mean(axis=1)
    return gains.mean(axis=0), float(gains.std(axis=0, ddof=1).max() / pairs**0.5)


def _listed(
    version: StoredVersion, row: Any, typical: Any, contributions: dict[int, float]
) -> list[dict[str, Any]]:
    """List the contributions of fields by their places, the strongest first."""
    columns = Coding(version.schema.fields).unpack(np.stack([row, typical]))
    listed = []
    for place, contribution in sorted(contributions.items(), key=lambda each: -abs(each[1])):
        field = version.schema.fields[place]
        value, usual = map(field.json_value, columns[field.name].tolist())
        listed.append({
            "field": field.name, "value": value, "typical": usual, "contribution": contribution,
            "text": _text(field, value, contribution),
        })  # fmt: skip
    return listed


def _text(field: Field, value: Any, contribution: float) -> str:
    shown = str(value).lower() if isinstance(value, bool) else value
    subject = _("{name} being {value}")
    if value is None:
        subject = _("the gap in {name}")
    elif value == UNKNOWN:
        subject = _("the unknown word in {name}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        subject, shown = _("{name} of {value}"), _number(value, 6)
    subject = subject.format(name=field.name, value=shown)
    if not contribution:
        return _("{subject} changed nothing").format(subject=subject)
    text = _("{subject} lowered it by {amount}")
    if contribution > 0:
        text = _("{subject} raised it by {amount}")
    return text.format(subject=subject, amount=_number(abs(contribution), 2))


def _number(value: float, digits: int) -> str:
    return local_number(plain(value, digits), grouped=False)
