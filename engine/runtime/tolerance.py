"""By how much two answers of the same model may differ."""

from typing import Any

import numpy as np

#: The largest difference of a probability, and that of a number as a share of the spread
#: of the answers to real rows.
TOLERANCE = 1e-5

#: A double in so many units of its last place is as good as equal where it is huge.
_LAST_PLACES = 16


def spread_of(numbers: Any) -> float:
    """Return the range from the 5 % to the 95 % quantile of answers to real rows.

    A table's target may lie far from 0, and a few answers far from the others: neither
    must make the gate wider.
    """
    numbers = np.asarray(numbers, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = np.quantile(finite, [0.05, 0.95]) if len(finite) else (0.0, 0.0)
    return float(high - low)


def share_of_allowed(numbers: Any, others: Any, spread: float | None) -> Any:
    """Return the differences of numbers, 1 for the largest that is allowed, of shape (n,).

    It is ``TOLERANCE`` of the spread, or the last places of the double where it is huge; with
    a spread of 0 numbers must be equal. Old cards have no spread: there it is ``TOLERANCE`` of
    the larger number, or of 1. Numbers that are not finite are alike.
    """
    numbers, others = (np.asarray(array, dtype=np.float64) for array in (numbers, others))
    is_finite = np.isfinite(numbers) & np.isfinite(others)
    apart = np.where(np.isfinite(numbers) == np.isfinite(others), 0.0, np.inf)
    distances = np.abs(numbers[is_finite] - others[is_finite])
    sizes = np.maximum(np.abs(numbers[is_finite]), np.abs(others[is_finite]))
    if spread is None:
        allowed = TOLERANCE * np.maximum(sizes, 1.0)
    elif spread:
        allowed = np.maximum(TOLERANCE * spread, _LAST_PLACES * np.spacing(sizes))
    else:
        allowed = np.zeros(len(sizes))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart[is_finite] = np.where(distances == 0, 0.0, distances / allowed)
    return apart
