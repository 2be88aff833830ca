"""The threshold of a probability from which errors cost least, by answers to rows not learnt."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.schema.card import CostEntry
from engine.training.split import Fold

#: So many of the thresholds, which are all probabilities, are points of the curve.
_POINTS = 200


def probabilities_out_of_fold(
    build: Callable[[], Any], X: pd.DataFrame, y: pd.Series, parts: Sequence[Fold], positive: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(positive) of each judged row by a pipeline fitted on other rows, and the truth.

    Folds without both classes to fit on are passed over.
    """
    probabilities, truth = [np.empty(0)], [np.empty(0, dtype=bool)]
    for fit, judged in parts:
        if y.iloc[fit].nunique() < 2:
            continue
        pipeline = build().fit(X.iloc[fit], y.iloc[fit])
        place = [*np.asarray(pipeline.classes_).tolist()].index(positive)
        probabilities.append(pipeline.predict_proba(X.iloc[judged])[:, place])
        truth.append((y.iloc[judged] == positive).to_numpy())
    return np.concatenate(probabilities), np.concatenate(truth)


def cheapest_threshold(
    probabilities: np.ndarray, is_positive: np.ndarray, costs: Mapping[str, float]
) -> tuple[float, CostEntry]:
    """Return the threshold with the lowest cost per row, and the costs of others.

    With probabilities that are right it would be the share of a false positive in both costs:
    of equally good thresholds the one nearest to it is taken.
    """
    ideal = costs["false_positive"] / (costs["false_positive"] + costs["false_negative"])
    tried = np.unique([*probabilities, ideal])
    tried = tried[(tried > 0) & (tried < 1)]
    right = np.sort(probabilities[is_positive])
    wrong = np.sort(probabilities[~is_positive])
    missed = np.searchsorted(right, tried, side="left")
    alarms = len(wrong) - np.searchsorted(wrong, tried, side="left")
    each = (costs["false_negative"] * missed + costs["false_positive"] * alarms) / len(is_positive)
    best = np.flatnonzero(each == each.min())
    chosen = best[np.abs(tried[best] - ideal).argmin()]
    shown = np.unique([*np.linspace(0, len(tried) - 1, _POINTS).round().astype(int), chosen])
    points = [{"threshold": float(tried[at]), "cost": float(each[at])} for at in shown]
    return float(tried[chosen]), {
        "false_positive": float(costs["false_positive"]),
        "false_negative": float(costs["false_negative"]),
        "rows": len(is_positive),
        "curve": points,
    }
