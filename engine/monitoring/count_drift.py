"""Drift as far as counts tell: the rows of a window, by bin, beside those learnt from.

`engine.monitoring.drift` compares row by row, and raises the alarm. Counts are there at once,
however many rows they are of: what they show is for the eye, between two of its reports.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any, NamedTuple

from engine.cards.sentences import word
from engine.languages import gettext as _
from engine.monitoring.drift import FEWEST_ROWS, LEVEL, PSI
from engine.monitoring.statistics import psi
from engine.schema.fields import MISSING, UNKNOWN, Date, Field, Flag

#: Bins in which fewer rows are expected count together (Cochran, 1954).
_FEWEST_EXPECTED = 5


class FieldShift(NamedTuple):
    """A field: its bins with the rows of both, and how far they are apart.

    `limit` is what the index of rows that have not moved exceeds in 0.5 % of windows, all fields
    taken together; `verdict` is "unknown", "none", "drift", or "time" for a date, which moves.
    """

    field: Field
    bins: Sequence[str]
    reference: Sequence[int]  # rows by bin
    window: Sequence[int]
    psi: float
    limit: float
    verdict: str

    @staticmethod
    def shares(rows: Sequence[int]) -> list[float]:
        """Return the share of rows in each bin."""
        return [n / (sum(rows) or 1) for n in rows]

    def pairs(self) -> list[tuple[float, float]]:
        """Return the share of training rows in each bin, and of those of the window."""
        return [*zip(self.shares(self.reference), self.shares(self.window), strict=True)]


def shifts(
    fields: Sequence[Field], reference: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, Mapping[str, int]],
) -> list[FieldShift]:  # fmt: skip
    """Compare counts by field and bin with the reference of a card, the largest shift first."""
    named = [field for field in fields if field.name in reference]
    found = [
        _shift(field, reference[field.name], counts.get(field.name, {}), len(named))
        for field in named
    ]
    return sorted(found, key=lambda shift: (shift.verdict != "drift", -shift.psi))


def _shift(
    field: Field, entry: Mapping[str, Any], counts: Mapping[str, int], comparisons: int
) -> FieldShift:
    labels, before = _bins(field, entry)
    now = [counts.get(name, 0) for name in before]
    pairs = _pooled([*before.values()], now)
    rows, learnt = sum(now), sum(before.values())
    if rows < FEWEST_ROWS or not learnt or len(pairs) < 2:
        verdict = "unknown" if rows < FEWEST_ROWS or not learnt else "none"
        return FieldShift(field, labels, [*before.values()], now, 0.0, 0.0, verdict)
    size = psi(*zip(*pairs, strict=True))
    limit = _chi_square(1 - LEVEL / comparisons, len(pairs) - 1) * (1 / learnt + 1 / rows)
    verdict = "drift" if size >= PSI and size > limit else "none"
    verdict = "time" if verdict == "drift" and isinstance(field, Date) else verdict
    return FieldShift(field, labels, [*before.values()], now, size, limit, verdict)


def _bins(field: Field, entry: Mapping[str, Any]) -> tuple[list[str], dict[str, int]]:
    """Return the labels of all bins, and their rows by the names that counts have of them."""
    if "edges" not in entry:
        rows: dict[str, int] = {**entry["counts"], MISSING: entry["missing"]}
        rows[UNKNOWN] = entry.get("unknown", 0)
        return [*rows], rows
    ends = [field.label(edge) for edge in entry["edges"]]
    labels = [f"< {ends[0]}"] if ends else [""]
    between = _("{low} to {high}")
    labels += [between.format(low=low, high=high) for low, high in pairwise(ends)]
    labels += [f"≥ {ends[-1]}"] if ends else []
    rows = {str(place): n for place, n in enumerate(entry["counts"])}
    if isinstance(field, Flag) and entry["edges"] == [0, 1]:
        labels = [word(False), word(True)]
        del rows["0"]  # nothing is less than false
    return [*labels, MISSING], {**rows, MISSING: entry["missing"]}


def _pooled(before: Sequence[int], now: Sequence[int]) -> list[tuple[int, int]]:
    """Return the rows of both in bins of enough rows; what has fewer counts together."""
    total, least = sum(before) + sum(now), min(sum(before), sum(now))
    pairs, rare = [], (0, 0)
    for pair in zip(before, now, strict=True):
        if total and sum(pair) * least / total >= _FEWEST_EXPECTED:
            pairs.append(pair)
        else:
            rare = rare[0] + pair[0], rare[1] + pair[1]
    return [*pairs, rare] if any(rare) else pairs


def _chi_square(share: float, freedom: int) -> float:
    """Return a quantile of chi-square, by which the index of equal samples is distributed.

    Divided by 1/n + 1/m (Yurdakul, 2018); the quantile by Wilson and Hilferty (1931).
    """
    spread = 2 / (9 * freedom)
    middle: float = 1 - spread + NormalDist().inv_cdf(share) * spread**0.5
    return freedom * middle**3
