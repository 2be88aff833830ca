"""What the pictures of a version show: curves and counts of its held-out rows, no row by itself."""

from typing import Any

import numpy as np

from engine.scoring.judged import HeldOutAnswers

#: A curve has so many points at most, a confusion matrix so many classes.
MOST_POINTS, MOST_CLASSES = 50, 20

#: Rows are put into so many groups at most, of so many rows where there are enough for two.
_GROUPS, _ROWS_OF_A_GROUP = 10, 20

#: The quantiles of a group that are kept: no extreme, which would be the value of one row.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def picture_values(judged: HeldOutAnswers) -> dict[str, Any]:
    """Return what can be drawn of answers to held-out rows, by the name of the picture.

    Two classes with probabilities have `roc`, `precision_recall` and `calibration`, several the
    calibration of the most probable class, both a `confusion` matrix; numbers have `bands`.
    """
    if judged.classes is None:
        return {"bands": _bands(judged)} if len(judged.truth) >= 2 * _ROWS_OF_A_GROUP else {}
    values: dict[str, Any] = {}
    if 2 <= len(judged.classes) <= MOST_CLASSES:
        values["confusion"] = _confusion(judged)
    if judged.probabilities is None:
        return values
    if judged.positive is None:
        probability = judged.probabilities.max(axis=1)
        return values | {"calibration": _calibration(judged.truth == judged.predicted, probability)}
    is_positive, probability = judged.truth == judged.positive, judged.positive_probability()
    if is_positive.all() or not is_positive.any():
        return values  # the curves have no other class to tell from
    return values | {
        **_curves(is_positive, probability), "calibration": _calibration(is_positive, probability)
    }  # fmt: skip


def _curves(is_positive: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Return points of both curves, at thresholds from the highest to the lowest."""
    order = np.argsort(-probability, kind="stable")
    last = np.flatnonzero(np.append(np.diff(probability[order]) != 0, True))
    found = np.cumsum(is_positive[order])[last]
    called = last + 1
    recall = np.append(0, found / is_positive.sum())
    false_positive_rate = np.append(0, (called - found) / (~is_positive).sum())
    precision = np.append(1, found / called)
    apart = _spaced(recall + false_positive_rate)
    found_apart = _spaced(recall)
    return {
        "roc": _points(false_positive_rate=false_positive_rate[apart], recall=recall[apart]),
        "precision_recall": _points(recall=recall[found_apart], precision=precision[found_apart]),
    }


def _spaced(positions: np.ndarray) -> np.ndarray:
    """Return the places of `MOST_POINTS` at most of increasing positions, evenly apart."""
    wanted = np.linspace(positions[0], positions[-1], MOST_POINTS)
    return np.unique(np.searchsorted(positions, wanted))


def _points(**axes: np.ndarray) -> dict[str, list[float]]:
    return {name: values.round(4).tolist() for name, values in axes.items()}


def _calibration(is_so: np.ndarray, probability: np.ndarray) -> list[dict[str, float]]:
    """Return the mean probability and the share of rows in which it is so, by quantile."""
    probability = np.clip(probability, 0, 1)
    edges = np.quantile(probability, np.linspace(0, 1, _groups(len(is_so)) + 1)[1:-1])
    groups = np.searchsorted(edges, probability)
    return [
        {
            "probability": round(float(probability[groups == group].mean()), 4),
            "share": round(float(is_so[groups == group].mean()), 4),
            "rows": int((groups == group).sum()),
        }
        for group in np.unique(groups)
    ]


def _groups(rows: int) -> int:
    return min(_GROUPS, max(2, rows // _ROWS_OF_A_GROUP))


def _confusion(judged: HeldOutAnswers) -> list[list[int]]:
    """Count the rows by true class, from row to row, and predicted class, in the classes' order."""
    labels = list(judged.classes or ())
    is_true, is_predicted = (
        np.array([values == label for label in labels], float)
        for values in (judged.truth, judged.predicted)
    )
    return (is_true @ is_predicted.T).astype(int).tolist()  # type: ignore[no-any-return]


def _bands(judged: HeldOutAnswers) -> list[dict[str, Any]]:
    """Return quantiles of the true values and of the errors in groups of rising predictions.

    They are rounded to about a thousandth of the range of the true values.
    """
    order = np.argsort(judged.predicted, kind="stable")
    spread = float(np.ptp(np.quantile(judged.truth, QUANTILES)) or np.abs(judged.truth).max() or 1)
    decimals = 3 - int(np.floor(np.log10(spread)))

    def quantiles(values: np.ndarray) -> list[float]:
        return [round(float(value), decimals) for value in np.quantile(values, QUANTILES)]

    return [
        {
            "predicted": round(float(judged.predicted[rows].mean()), decimals),
            "rows": len(rows),
            "true": quantiles(judged.truth[rows]),
            "error": quantiles(judged.predicted[rows] - judged.truth[rows]),
        }
        for rows in np.array_split(order, _groups(len(order)))
    ]
