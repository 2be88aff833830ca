"""How much each field matters to a fitted pipeline."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

#: Rows and repeats of the permutation: enough to rank fields.
ROWS, REPEATS = 2000, 5


def last_step(pipeline: Any) -> Any:
    """Return the estimator at a pipeline's end; the model itself if it is not a pipeline."""
    while isinstance(pipeline, Pipeline):
        pipeline = pipeline[-1]
    return pipeline


def impurity_importances(pipeline: Any) -> dict[str, float]:
    """Return the last step's own importances, by its names of the features.

    Empty when the estimator has none. They sum to 1; categories appear once
    per word when the pipeline one-hot encodes them.
    """
    weights = getattr(last_step(pipeline), "feature_importances_", None)
    if weights is None:
        return {}
    return dict(zip(_names(pipeline, len(weights)), map(float, weights), strict=True))


def permutation_importances(
    pipeline: Any,
    X: pd.DataFrame,
    y: pd.Series,
    *,
    scorer: Callable[[Any, pd.DataFrame, Any], float],
    seed: int,
) -> dict[str, dict[str, float]]:
    """Measure how much the score, higher is better, drops when a field is shuffled.

    ``mean`` and ``std`` are over the repeats, in the score's unit (Breiman,
    2001, Machine Learning 45, section 10).
    """
    rows = np.random.default_rng(seed).permutation(len(X))[:ROWS]
    drops = permutation_importance(
        pipeline, X.iloc[rows], y.iloc[rows], scoring=scorer, n_repeats=REPEATS, random_state=seed
    )
    return {
        name: {"mean": float(mean), "std": float(std)}
        for name, mean, std in zip(
            X.columns, drops.importances_mean, drops.importances_std, strict=True
        )
    }


def _names(pipeline: Any, count: int) -> list[str]:
    try:
        names = [str(name) for name in pipeline[:-1].get_feature_names_out()]
    except (AttributeError, TypeError, ValueError):
        names = list(map(str, getattr(pipeline, "feature_names_in_", ())))
    return names if len(names) == count else [f"feature {i}" for i in range(count)]
