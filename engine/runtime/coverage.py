"""How sure an answer is: the interval of a number, or the set of classes, at a coverage."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.schema.fields import Field

#: The coverage of the interval that an answer has by default, and all that a request may name.
COVERAGE = 0.9
COVERAGES = tuple(percent / 100 for percent in range(50, 100))

#: A probability this far below the least one of its class still counts: graphs answer in singles.
_TIE = 1e-6


class NoCoverage(ValueError):
    """A version does not know its intervals or sets at a coverage; the message is a remedy."""


def key_of(coverage: float) -> str:
    """Return the key of a coverage on a card."""
    return f"{coverage:g}"


def has_limits(card: Mapping[str, Any], coverage: float) -> bool:
    """Return whether a card has limits of its answers at a coverage."""
    return key_of(coverage) in card.get("uncertainty", {}).get("limits", {})


def limits_at(card: Mapping[str, Any], coverage: float) -> list[Any]:
    """Return the limits of a card at a coverage; raise `NoCoverage` where it has none."""
    limits = card.get("uncertainty", {}).get("limits", {})
    if has_limits(card, coverage):
        return list(limits[key_of(coverage)])
    most = _(" to {value}").format(value=[*limits][-1]) if limits else ""
    if coverage in COVERAGES:
        raise NoCoverage(
            _("{rows} held-out rows are too few: send 0.5{most}").format(
                rows=card["uncertainty"]["rows"], most=most
            )
        )
    raise NoCoverage(_("send hundredths from 0.5") + most)


class Intervals:
    """The intervals of a regression's answers at a coverage, by two numbers for each bucket.

    They end where the target ends: no true value is beyond.
    """

    def __init__(self, card: Mapping[str, Any], coverage: float) -> None:
        limits = limits_at(card, coverage)
        self.coverage = coverage
        self._edges = card["uncertainty"]["edges"]
        self._limits = [tuple(pair) for pair in limits]
        self._array = np.array(limits)
        self._least, self._most = Field.from_json(card["schema"]["target"]).clean_range()

    @classmethod
    def of_card(cls, card: Mapping[str, Any], coverage: float) -> "Intervals | None":
        """Return the intervals of a card; None where it has none at a coverage."""
        is_regression = card["classes"] is None
        return cls(card, coverage) if is_regression and has_limits(card, coverage) else None

    def of(self, value: float) -> tuple[float, float]:
        """Return the interval of an answer."""
        low, high = self._limits[bisect_right(self._edges, value)]
        low, high, least, most = value + low, value + high, self._least, self._most
        return (
            least if low < least else most if low > most else low,
            least if high < least else most if high > most else high,
        )

    def of_all(self, values: Any) -> Any:
        """Return the intervals of n answers, of shape (n, 2)."""
        margins = self._array[np.searchsorted(self._edges, values, side="right")]
        return np.clip(np.asarray(values)[:, None] + margins, self._least, self._most)


def in_set(shares: Any, limits: Any, chosen: Any) -> Any:
    """Return which classes are in the set of each of n answers, of shape (n, n_classes).

    A set without any class has the predicted one.
    """
    is_in = np.asarray(shares) >= np.asarray(limits) - _TIE
    empty = np.flatnonzero(~is_in.any(axis=1))
    is_in[empty, np.asarray(chosen)[empty]] = True
    return is_in


def class_sets(
    card: Mapping[str, Any], coverage: float, shares: Any, chosen: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the sets of n answers, as JSON has them."""
    rows = in_set(shares, limits_at(card, coverage), chosen)
    labels = card["classes"]
    return [
        {"classes": [labels[at] for at in np.flatnonzero(row)], "coverage": coverage}
        for row in rows
    ]
