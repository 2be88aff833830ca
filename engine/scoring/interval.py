"""95% intervals, from how far each held-out row moves a score.

Nothing is drawn at random. docs/explanation/intervals.md measures how often the intervals
hold, and when a remark takes the place of that promise.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import special

#: With fewer held-out rows, or fewer effective rows of a class, an interval has a remark.
FEWEST_HELD_OUT, FEWEST_ROWS = 100, 12

#: Fewer effective rows are one or two that outweigh all others. More must not be asked for:
#: where only rows without large losses go without a remark, the intervals of those are too low.
_FEWEST_EFFECTIVE = 3

#: Squares of numbers with a kurtosis up to this one are averaged well; it is 3 for normal ones.
_LIGHT_KURTOSIS = 4.2

#: With so many rows, and this many effective ones, so steep a tail does as well. Its exponent is
#: Hill's, of the largest tenth: about 2.5 for t(3), where no interval holds, and 3.2 for t(5).
_MANY_ROWS, _MANY_EFFECTIVE, _STEEP_TAIL = 2000, 50, 2.9

#: A mean of errors is stated as up to so many times what it is, where its interval has no end.
_MOST_TIMES = 10

#: So many right and so many wrong answers a share needs for an interval without a remark.
FEWEST_ANSWERS = 7

#: A standard error below this share of the score is rounding.
_ROUNDING = 1e-12

#: The quantile of a two-sided interval of 95 %.
_UPPER = 0.975


class Estimate(NamedTuple):
    """A score, and how far each of n rows moves it.

    The influences have shape (n,) and mean 0: the score of a large sample is off by about
    their mean over it. `parts`, likewise, say which rows have the rarer of two classes, and may
    not hang on few of them. `squared` are the numbers, by what they are called, whose squares
    the score averages: their tails must be light.
    """

    value: float
    influences: np.ndarray
    parts: tuple[np.ndarray, ...] = ()
    squared: tuple[tuple[str, np.ndarray], ...] = ()


class Interval(NamedTuple):
    """An interval of 95 %; the remark says why it may hold less often, and is mostly empty."""

    low: float
    high: float
    remark: str = ""

    def entry(self, value: float) -> dict[str, Any]:
        """Return what a card or a document has of a score; most have no remark."""
        ends = {"value": value, "low": self.low, "high": self.high}
        return ends | ({"remark": self.remark} if self.remark else {})


def mean_of(values: np.ndarray) -> Estimate:
    """Return the mean of one value per row."""
    mean = float(np.mean(values))
    return Estimate(mean, values - mean)


def effective_rows(deviations: np.ndarray) -> float:
    """Return how many rows of equal weight would tell as much of the variance.

    That is n over the kurtosis: n where all deviations are equally large, about 1 where
    a single row has all of them, 0 where there are none.
    """
    largest = np.abs(deviations).max()
    if not largest:
        return 0.0
    shares = (deviations / largest) ** 2
    return float(shares.sum() ** 2 / (shares**2).sum())


def tail_exponent(numbers: np.ndarray) -> float:
    """Return how steeply the largest tenth of some sizes falls: Hill's exponent.

    Hill, B. (1975), Annals of Statistics 3(5). A mean of squares needs more than 4 to have a
    standard error. Estimated, it comes out lower, the more so the heavier the tail.
    """
    tail = np.sort(np.abs(numbers))[-max(len(numbers) // 10, 1) - 1 :]
    if not tail[0]:
        return 0.0
    height = float(np.log(tail[1:] / tail[0]).mean())
    return 1 / height if height else float("inf")


def of_gain(estimate: Estimate) -> Interval:
    """Return the t interval of a difference."""
    half = _half(estimate)
    return Interval(estimate.value - half, estimate.value + half, _remark(estimate, half))


def of_loss(estimate: Estimate) -> Interval:
    """Return the interval of what is above 0, on the scale of its logarithm."""
    value, half = estimate.value, _half(estimate)
    factor = float(np.exp(half / value)) if value else 1.0
    return Interval(value / factor, value * factor, _remark(estimate, half))


def of_errors(estimate: Estimate) -> Interval:
    """Return the interval of a mean of errors, on the scale of its reciprocal.

    A long tail mostly makes a mean come out too low, so it reaches further up than down.
    """
    value, half = estimate.value, _half(estimate)
    share = half / value if value else 0.0
    high = value / max(1 - share, 1 / _MOST_TIMES)
    return Interval(value / (1 + share), high, _remark(estimate, half))


def of_root(estimate: Estimate) -> Interval:
    """Return the interval of the root of a mean of squares, by that of the mean."""
    root = estimate.value
    low, high, remark = of_errors(
        estimate._replace(value=root**2, influences=2 * root * estimate.influences)
    )
    return Interval(low**0.5, high**0.5, remark)


def of_explained(estimate: Estimate) -> Interval:
    """Return the interval of a share explained, by that of the rest."""
    rest = 1 - estimate.value
    low, high, remark = of_loss(estimate._replace(value=rest))
    return Interval(1 - high, 1 - low, remark)


def of_area(estimate: Estimate) -> Interval:
    """Return the interval of an area under the ROC curve, on the scale of its logit.

    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3); the logit keeps it within
    0 and 1 (Pepe, M. (2003), The statistical evaluation of medical tests, 5.2).
    """
    value, half = estimate.value, _half(estimate)
    remark = _remark(estimate, half)
    if not half:
        return Interval(value, value, remark)
    half /= value * (1 - value)
    low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Interval(float(low), float(high), remark)


def of_share(estimate: Estimate) -> Interval:
    """Return Wilson's interval of a share of right answers (1927, JASA 22(158))."""
    n, share, z = len(estimate.influences), estimate.value, float(special.ndtri(_UPPER))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    wrong = round(n * (1 - share))
    fewer, name = min((n - wrong, "right"), (wrong, "wrong"))
    remark = ""
    if fewer < FEWEST_ANSWERS:
        remark = f"only {fewer} of {n} held-out rows {_are(fewer)} {name}, {_NO_PROMISE}"
    return Interval(max(0.0, middle - half), min(1.0, middle + half), remark)


_NO_PROMISE = "so the interval may hold less than 95% of the time"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _half(estimate: Estimate) -> float:
    """Return half the width of the t interval; 0 where the rows do not differ.

    The standard error is itself known the worse, the fewer rows it rests on. A variance of
    kurtosis k is known as well as one of normal values with 2 n / (k - 1) degrees of freedom
    (Satterthwaite, F. (1946), Biometrics Bulletin 2(6)).
    """
    influences, n = estimate.influences, len(estimate.influences)
    error = float(np.std(influences, ddof=1)) / n**0.5 if n > 1 else 0.0
    if error <= _ROUNDING * abs(estimate.value):
        return 0.0
    effective = effective_rows(influences)
    degrees = min(n - 1, 2 * n * effective / max(n - effective, 1e-9))
    return error * float(special.stdtrit(degrees, _UPPER))


def _remark(estimate: Estimate, half: float) -> str:
    n = len(estimate.influences)
    if n < 2:
        return "one held-out row gives no interval"
    if not half:
        return f"all {n} held-out rows count alike, so there is no interval"
    if n < FEWEST_HELD_OUT:
        return f"there are only {n} held-out rows, {_NO_PROMISE}"
    influences = effective_rows(estimate.influences)
    parts = min(map(effective_rows, estimate.parts), default=n)
    if influences < _FEWEST_EFFECTIVE or parts < FEWEST_ROWS:
        rows = f"{max(1, round(min(influences, parts)))} of {n} held-out rows"
        return f"it rests on few rows, as if on {rows}, {_NO_PROMISE}"
    heavy = [name for name, numbers in estimate.squared if not _has_light_tails(numbers)]
    if heavy:
        return f"the {' and the '.join(heavy)} have heavy tails, {_NO_PROMISE}"
    return ""


def _has_light_tails(numbers: np.ndarray) -> bool:
    """Return whether an interval holds for the mean of the squares of n numbers."""
    n, effective = len(numbers), effective_rows(numbers)
    if n <= _LIGHT_KURTOSIS * effective:
        return True
    is_much = n >= _MANY_ROWS and effective >= _MANY_EFFECTIVE
    return is_much and tail_exponent(numbers) >= _STEEP_TAIL
