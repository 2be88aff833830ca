"""How much each field matters to a fitted pipeline."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
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
    X: pd.DataFrame,
    y: pd.Series,
    *,
    scorer: Callable[[pd.DataFrame, pd.Series], float],
    has_classes: bool,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Measure how much the score, higher is better, drops when a field is shuffled.

    ``mean`` and ``std`` are over the repeats, in the score's unit (Breiman,
    2001, Machine Learning 45, section 10).
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(X))
    is_chosen = np.arange(len(X)) < ROWS
    if has_classes:  # some scores need a row of each
        is_chosen |= ~y.iloc[order].duplicated().to_numpy()
    X, y = X.iloc[order[is_chosen]], y.iloc[order[is_chosen]]
    whole = scorer(X, y)
    importances = {}
    for name in map(str, X.columns):
        drops = [
            whole - scorer(X.assign(**{name: X[name].to_numpy()[order]}), y)
            for order in [generator.permutation(len(X)) for _ in range(REPEATS)]
        ]
        importances[name] = {"mean": float(np.mean(drops)), "std": float(np.std(drops))}
    return importances


def _names(pipeline: Any, count: int) -> list[str]:
    try:
        names = [str(name) for name in pipeline[:-1].get_feature_names_out()]
    except (AttributeError, TypeError, ValueError):
        names = list(map(str, getattr(pipeline, "feature_names_in_", ())))
    return names if len(names) == count else [f"feature {i}" for i in range(count)]
