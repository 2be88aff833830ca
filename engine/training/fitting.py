"""Fit the pipeline of a model file, and keep what serves of it.

Whether it can be stored is tried on a few rows first, so that nobody pays for a fit in vain.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from joblib import parallel_config
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.utils import get_tags

from engine.schema.definition import ModelDefinition
from engine.training.evaluation.importances import last_step
from engine.training.failures import TrainingFailed, cause, explained, place, step_of
from engine.training.served_pipeline import NoBestEstimator, ServedPipeline, served
from engine.training.storable import check_storable

#: The first fit is on so many rows. A table of less than ten times as many has only one fit.
TRIAL_ROWS = 200

#: Rows of each class that a part of a table has at least, where the table has them.
ROWS_OF_A_CLASS = 10

#: What serves is compared with what was fitted on at most so many rows.
COMPARED_ROWS = 20_000


def fit(name: str, definition: ModelDefinition, X: pd.DataFrame, y: pd.Series) -> ServedPipeline:
    """Fit a model's pipeline and return what serves of it.

    Raise `TrainingFailed` where it cannot be fitted, cannot be stored, or does not predict the
    target.
    """
    few = few_rows(y, TRIAL_ROWS, definition)
    is_tried = 10 * len(few) <= len(y) and _try(name, definition, X.iloc[few], y.iloc[few])
    pipeline = _build(name, definition)
    try:
        pipeline.fit(X, y)
    except Exception as error:
        where = step_of(error, pipeline)
        raise TrainingFailed(
            f"{place(error, name)}: fitting the pipeline ends{f' in {where}' if where else ''} "
            f"with {cause(error, where)}"
        ) from error
    kept = _kept(name, definition, pipeline, X)
    if not is_tried:
        check_storable(kept.pipeline, model=name)
    return kept


def few_rows(y: pd.Series, rows: int, definition: ModelDefinition) -> np.ndarray:
    """Choose rows of a table at random, some of each class; return their positions, sorted."""
    order = np.random.default_rng(definition.seed).permutation(len(y))
    is_chosen = np.arange(len(order)) < rows
    if definition.schema.task == "classification":
        labels = y.iloc[order]
        is_chosen |= (labels.groupby(labels).cumcount() < ROWS_OF_A_CLASS).to_numpy()
    return np.sort(order[is_chosen])


def _try(name: str, definition: ModelDefinition, X: pd.DataFrame, y: pd.Series) -> bool:
    """Fit a pipeline on a few rows to see whether it can be stored; return whether it fits."""
    pipeline = _build(name, definition)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipeline.fit(X, y)
        except Exception:  # noqa: BLE001 - so few rows may not do; all of them will tell
            return False
        check_storable(_kept(name, definition, pipeline, X).pipeline, model=name)
    return True


def _build(name: str, definition: ModelDefinition) -> Any:
    with explained("build_pipeline", name):
        pipeline = definition.build_pipeline()
    if not hasattr(pipeline, "fit"):
        kind = type(pipeline).__name__
        raise TrainingFailed(
            f"models/{name}.py: build_pipeline returns {kind}: return an unfitted pipeline"
        )
    _check_kind(name, definition, pipeline)
    _silence(pipeline)
    return pipeline


def _silence(pipeline: Any) -> None:
    """Let LightGBM not print a line for each tree, unless the model file says how much it does."""
    for part in [pipeline, *getattr(pipeline, "get_params", dict[str, Any])().values()]:
        is_light = type(part).__module__ == "lightgbm.sklearn"
        if is_light and not {"verbose", "verbosity"} & part.get_params().keys():
            part.set_params(verbose=-1)


def _check_kind(name: str, definition: ModelDefinition, pipeline: Any) -> None:
    """Check that a pipeline predicts what the target is, as far as scikit-learn knows its kind."""
    try:
        kind = get_tags(pipeline).estimator_type
    except Exception:  # noqa: BLE001 - a class of the model file's own need not have tags
        return
    if kind and kind != _kind(definition):
        raise _does_not_predict(name, definition, pipeline)


def _kept(name: str, definition: ModelDefinition, fitted: Any, X: pd.DataFrame) -> ServedPipeline:
    """Return what serves of a fitted pipeline, if it gives the same answers."""
    try:
        kept = served(fitted)
    except NoBestEstimator as error:
        raise TrainingFailed(f"models/{name}.py: {error}") from error
    has_classes = hasattr(kept.pipeline, "classes_") or _kind(definition) == "regressor"
    if not hasattr(kept.pipeline, "predict") or not has_classes:
        raise _does_not_predict(name, definition, fitted)
    rows = X.head(COMPARED_ROWS)
    if kept.pipeline is not fitted and not _agree(
        _outputs(fitted, rows), _outputs(kept.pipeline, rows)
    ):
        raise TrainingFailed(f"models/{name}.py: {_otherwise(fitted)}")
    return kept


def _otherwise(fitted: Any) -> str:
    last = last_step(fitted)
    if isinstance(last, (FixedThresholdClassifier, TunedThresholdClassifierCV)):
        return (
            f"the threshold of {type(last).__name__} is one of margins, and only probabilities "
            f"have one here: wrap {type(last.estimator).__name__} in CalibratedClassifierCV"
        )
    return (
        "the pipeline answers otherwise than the estimators that it chose: put a search or a "
        "threshold classifier at its end, not inside another estimator"
    )


def _outputs(pipeline: Any, rows: pd.DataFrame) -> np.ndarray:
    has_probabilities = hasattr(pipeline, "predict_proba")
    predict = pipeline.predict_proba if has_probabilities else pipeline.predict
    with parallel_config("sequential"):  # several threads would add a forest's trees in any order
        return np.asarray(predict(rows))


def _agree(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Return whether answers are equal to the last bit; two that are not numbers are equal, too."""
    return np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == theirs.dtype.kind == "f")


def _kind(definition: ModelDefinition) -> str:
    return "classifier" if definition.schema.task == "classification" else "regressor"


def _does_not_predict(name: str, definition: ModelDefinition, pipeline: Any) -> TrainingFailed:
    target, kind = definition.target, _kind(definition)
    other = "" if kind == "classifier" else ", or make the target a Flag or a Category"
    return TrainingFailed(
        f"models/{name}.py: {type(last_step(pipeline)).__name__} does not predict "
        f"{'the classes' if kind == 'classifier' else 'the numbers'} of the target "
        f"{target.name!r}: end the pipeline with a {kind}{other}"
    )
