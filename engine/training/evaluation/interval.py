"""95 % intervals, from how far each held-out row moves a score.

Nothing is drawn at random. docs/explanation/intervals.md measures how often the intervals
hold, and when a remark takes the place of that promise.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

#: With fewer held-out rows, or fewer effective ones, an interval comes with a remark.
FEWEST_HELD_OUT, FEWEST_ROWS = 50, 12

#: So many right and so many wrong answers a share needs for an interval without a remark.
FEWEST_ANSWERS = 5

#: A standard error below this share of the score is rounding.
_ROUNDING = 1e-12

#: The quantile of a two-sided interval of 95 %.
_UPPER = 0.975


class Estimate(NamedTuple):
    """A score, and how far each of n rows moves it.

    The influences have shape (n,) and mean 0: the score of a large sample is off by about
    their mean over it. `parts`, likewise, are what else may not hang on few rows: both
    sides of a ratio, or which rows have the rare one of two classes.
    """

    value: float
    influences: np.ndarray
    parts: tuple[np.ndarray, ...] = ()


class Interval(NamedTuple):
    """An interval of 95 %; the remark says why it may hold less often, and is mostly empty."""

    low: float
    high: float
    remark: str = ""


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


def of_mean(estimate: Estimate) -> Interval:
    """Return the t interval, corrected for the skewness of the rows.

    Hall, P. (1992), On the removal of skewness by transformation, JRSS B 54(1): the
    transformation is monotone and is inverted here.
    """
    value, influences, _ = estimate
    error, reach = _standard_error(estimate), _reach(influences)
    if not error:
        return Interval(value, value, _remark(estimate))
    scaled = influences / np.std(influences)
    skewness = float(np.mean(scaled**3)) / len(scaled) ** 0.5
    low, high = -reach, reach
    if abs(skewness) > 1e-6:
        low, high = (
            3 / skewness * (np.cbrt(1 + skewness * (end - skewness / 6)) - 1)
            for end in (-reach, reach)
        )
    return Interval(value - error * float(high), value - error * float(low), _remark(estimate))


def of_gain(estimate: Estimate) -> Interval:
    """Return the wider of the t interval and the one that is corrected for skewness.

    Of two versions that are equal in truth neither may win too often, however the
    differences of their rows are spread.
    """
    low, high, remark = of_mean(estimate)
    half = _reach(estimate.influences) * _standard_error(estimate)
    return Interval(min(low, estimate.value - half), max(high, estimate.value + half), remark)


def of_positive_mean(estimate: Estimate) -> Interval:
    """Return the interval of the mean of what is never below 0."""
    low, high, remark = of_mean(estimate)
    return Interval(max(0.0, low), high, remark)


def of_root(estimate: Estimate) -> Interval:
    """Return the interval of a root, by that of the mean under it."""
    value = estimate.value
    low, high, remark = of_positive_mean(Estimate(value**2, 2 * value * estimate.influences))
    return Interval(low**0.5, high**0.5, remark)


def of_area(estimate: Estimate) -> Interval:
    """Return the interval of an area under the ROC curve, on the scale of its logit.

    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3); the logit keeps it within
    0 and 1 (Pepe, M. (2003), The statistical evaluation of medical tests, 5.2).
    """
    value, error = estimate.value, _standard_error(estimate)
    if not error or not 0 < value < 1:
        return Interval(value, value, _remark(estimate))
    half = _reach(estimate.influences) * error / (value * (1 - value))
    low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Interval(float(low), float(high), _remark(estimate))


def of_explained(estimate: Estimate) -> Interval:
    """Return the interval of a share explained, on the logarithmic scale of the rest."""
    rest, error = 1 - estimate.value, _standard_error(estimate)
    if not error or not rest > 0:
        return Interval(estimate.value, estimate.value, _remark(estimate))
    factor = float(np.exp(_reach(estimate.influences) * error / rest))
    return Interval(1 - rest * factor, 1 - rest / factor, _remark(estimate))


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


_NO_PROMISE = "so the interval may hold less than 95 % of the time"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _standard_error(estimate: Estimate) -> float:
    n = len(estimate.influences)
    if n < 2:
        return 0.0
    error = float(np.std(estimate.influences, ddof=1)) / n**0.5
    return error if error > _ROUNDING * abs(estimate.value) else 0.0


def _reach(influences: np.ndarray) -> float:
    """Return how many standard errors an interval reaches.

    The standard error is itself known the worse, the fewer rows it hangs on. A variance of
    kurtosis k is known as well as one of normal values with 2 n / (k - 1) degrees of freedom
    (Satterthwaite, F. (1946), Biometrics Bulletin 2(6)).
    """
    n, effective = len(influences), effective_rows(influences)
    degrees = min(n - 1, 2 * n * effective / max(n - effective, 1e-9))
    return float(special.stdtrit(max(degrees, 1), _UPPER))


def _remark(estimate: Estimate) -> str:
    n = len(estimate.influences)
    if n < 2:
        return "one held-out row gives no interval"
    if not _standard_error(estimate):
        return f"all {n} held-out rows count alike, so there is no interval"
    if n < FEWEST_HELD_OUT:
        return f"there are only {n} held-out rows, {_NO_PROMISE}"
    effective = min(map(effective_rows, (estimate.influences, *estimate.parts)))
    if effective < FEWEST_ROWS:
        rows = f"{max(1, round(effective))} of {n} held-out rows"
        return f"it rests on few rows, as if on {rows}, {_NO_PROMISE}"
    return ""
