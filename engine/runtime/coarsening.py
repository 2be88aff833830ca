"""Numbers of training rows are kept rounded, so that their last digits tell nobody whose they are.

Later numbers are rounded by the same step before they are compared, so ties stay ties.
"""

from typing import Any

import numpy as np

#: A step is the power of ten that is nearest to 10 to the minus so many of the spread.
_DIGITS = 3


def decimals_of(numbers: Any) -> int | None:
    """Return how many digits after the point are kept, below 0 of those before it; None for all.

    The spread is that of the middle four fifths, or of all where that is none. Whole numbers
    with a spread of up to 3,000 stay as they are, and so does a number that all rows have.
    """
    if not len(numbers):
        return None
    with np.errstate(over="ignore"):
        low, high = np.quantile(numbers, [0.1, 0.9])
        spread = min(high - low or np.ptp(numbers), np.finfo(np.float64).max)
    return _DIGITS - round(float(np.log10(spread))) if spread > 0 else None


def coarsen(numbers: Any, decimals: int | None) -> Any:
    """Round numbers to so many digits after the point; the order of numbers stays."""
    if decimals is None:
        return numbers
    with np.errstate(over="ignore", invalid="ignore"):
        coarse = np.round(numbers, decimals) + 0.0  # which turns -0.0 into 0.0
    return np.where(np.isfinite(coarse), coarse, numbers)
