"""How much each field matters to a fitted pipeline."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from engine.languages import gettext
from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation.progress import progress

#: Rows and repeats of the permutation: enough to rank fields.
ROWS, REPEATS = 2000, 5

#: With many fields fewer rows are taken, so that no more answers than this are needed; but not
#: fewer rows than the second number.
ANSWERS, FEWEST_ROWS = 300_000, 200

#: What takes longer than these seconds of the processor has fewer repeats, down to one, and then
#: fewer rows.
SECONDS, FEWEST_SLOW_ROWS = 60.0, 50


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
    total = np.sum(weights, dtype=np.float64)
    shares = weights / total if total else weights  # LightGBM counts its splits
    return dict(zip(_names(pipeline, len(weights)), map(float, shares), strict=True))


def permutation_importances(
    X: pd.DataFrame,
    y: pd.Series,
    *,
    answer: Callable[[pd.DataFrame, pd.Series], HeldOutAnswers],
    scorer: Callable[[HeldOutAnswers], float],
    has_classes: bool,
    seed: int,
) -> tuple[dict[str, dict[str, float]], str]:
    """Measure how much the score, higher is better, drops when a field is shuffled.

    ``mean`` and ``std`` are over the repeats, in the score's unit (Breiman,
    2001, Machine Learning 45, section 10). Returned too is how many rows and
    repeats they are of: fewer where there are many fields, or where answers
    take long.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(X))
    fields = list(map(str, X.columns))
    rows = min(len(X), ROWS, max(FEWEST_ROWS, ANSWERS // (REPEATS * len(fields))))
    seconds = _measure(lambda: answer(X.iloc[order[:rows]], y.iloc[order[:rows]])) * len(fields)
    rows = min(rows, max(FEWEST_SLOW_ROWS, int(rows * SECONDS / seconds)))
    repeats = max(1, min(REPEATS, int(SECONDS / seconds)))
    is_chosen = np.arange(len(X)) < rows
    if has_classes:  # some scores need a row of each
        is_chosen |= ~y.iloc[order].duplicated().to_numpy()
    X, y = X.iloc[order[is_chosen]], y.iloc[order[is_chosen]]
    whole = scorer(answer(X, y))
    importances = {}
    truth = pd.concat([y] * repeats)
    stacked = pd.concat([X] * repeats)
    for name in progress(fields, "importances"):
        column = X[name].to_numpy()
        shuffled = [column[generator.permutation(len(X))] for _ in range(repeats)]
        answers = answer(stacked.assign(**{name: np.concatenate(shuffled)}), truth)
        drops = [whole - scorer(part) for part in _parts(answers, len(X))]
        importances[name] = {"mean": float(np.mean(drops)), "std": float(np.std(drops))}
    text = gettext("{rows} rows, shuffled {repeats} times")
    return importances, text.format(rows=len(X), repeats=repeats)


def _measure(run: Callable[[], object]) -> float:
    """Return the processor's seconds for a run, the first one left out."""
    run()
    began = time.process_time()
    run()
    return max(time.process_time() - began, 1e-9)


def _parts(answers: HeldOutAnswers, rows: int) -> Iterator[HeldOutAnswers]:
    """Yield answers in parts of so many rows."""
    for start in range(0, len(answers.truth), rows):
        yield answers.take(slice(start, start + rows))


def _names(pipeline: Any, count: int) -> list[str]:
    try:
        names = [str(name) for name in pipeline[:-1].get_feature_names_out()]
    except (AttributeError, TypeError, ValueError):
        names = list(map(str, getattr(pipeline, "feature_names_in_", ())))
    return names if len(names) == count else [f"feature {i}" for i in range(count)]
