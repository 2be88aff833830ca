"""What serves of a fitted pipeline; what was only needed to choose and to fit it is left out.

A search becomes the estimator that it found, a threshold classifier the one that it wraps, a
column selector the columns that it selected. Splitters, scorers and generators of random
numbers become the defaults of their parameters, and one thread predicts. The predictions stay
the same, bit for bit: `engine.training.fitting` compares them.
"""

import inspect
from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import _CalibratedClassifier
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_array

#: Parameters that only a fit reads; a value that is not plain becomes the parameter's default.
FIT_ONLY = frozenset({"cv", "memory", "random_state", "score_func", "scoring"})

#: Fitted attributes that no prediction reads.
UNREAD = frozenset({"_kmeans_single", "_metadata_request", "_raw_predict", "_scorer", "scorer_"})


class NoBestEstimator(ValueError):
    """A search with ``refit=False`` has nothing that could serve."""


class Threshold(NamedTuple):
    """From which probability of a class a threshold classifier predicts it."""

    value: float
    positive: Any


class ServedPipeline(NamedTuple):
    """What serves, the parameters that searches chose, and the threshold that was tuned.

    ``fitted`` is the pipeline as it was before.
    """

    pipeline: Any
    chosen: dict[str, Any]
    threshold: Threshold | None
    fitted: Any


def served(fitted: Any) -> ServedPipeline:
    """Return what serves of a fitted pipeline, which itself stays as it is.

    Raise `NoBestEstimator` for a search that did not fit its best estimator.
    """
    walk = _Walk()
    pipeline = walk.visit(fitted)
    return ServedPipeline(pipeline, walk.chosen, _threshold(fitted), fitted)


class _Walk:
    """One walk over a pipeline and all that it holds, each object once."""

    def __init__(self) -> None:
        self.chosen: dict[str, Any] = {}
        self._seen: dict[int, tuple[Any, Any]] = {}  # with the object, so that its id stays its own

    def visit(self, value: Any) -> Any:
        """Return what serves of an object: the object itself, if that is all of it."""
        if not _may_hold_estimators(value):
            return value
        if id(value) not in self._seen:
            self._seen[id(value)] = value, self._serve(value)
        return self._seen[id(value)][1]

    def _serve(self, value: Any) -> Any:
        if isinstance(value, BaseSearchCV):
            return self.visit(self._best_estimator(value))
        if isinstance(value, (FixedThresholdClassifier, TunedThresholdClassifierCV)):
            return self.visit(getattr(value, "estimator_", value.estimator))
        if isinstance(value, np.ndarray):
            items = [self.visit(item) for item in value.ravel()]
            return _with_items(value, items)
        if isinstance(value, (list, tuple)):
            items = [self.visit(item) for item in value]
            make = getattr(type(value), "_make", type(value))  # a named tuple's constructor
            return value if _are_same(items, value) else make(items)
        if isinstance(value, dict):
            changed = copy(value)  # a Bunch is a dict that cannot be made from one
            changed.update((key, self.visit(item)) for key, item in value.items())
            return value if _are_same(changed.values(), value.values()) else changed
        before = vars(value)
        after = {
            name: self.visit(item) for name, item in _needed(value).items() if name not in UNREAD
        }
        is_same = len(after) == len(before) and _are_same(after.values(), before.values())
        return value if is_same else _with_attributes(value, after)

    def _best_estimator(self, search: Any) -> Any:
        if not hasattr(search, "cv_results_"):
            return search.estimator  # it is the pattern of another, which was fitted
        if not hasattr(search, "best_estimator_"):
            raise NoBestEstimator(
                f"{type(search).__name__} has refit=False and so no estimator to serve: "
                "leave refit out"
            )
        self.chosen |= search.best_params_
        return search.best_estimator_


def _may_hold_estimators(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype == object)
    return isinstance(value, (list, tuple, dict, BaseEstimator, _CalibratedClassifier))


def _needed(value: Any) -> Mapping[str, Any]:
    """Return an object's attributes, those that only a fit reads at their defaults."""
    attributes = dict(vars(value))
    if type(value).__module__ in ("xgboost.sklearn", "lightgbm.sklearn"):
        return _with_one_thread(attributes)
    if not isinstance(value, BaseEstimator) or not type(value).__module__.startswith("sklearn."):
        return attributes
    parameters = inspect.signature(type(value).__init__).parameters
    for name in FIT_ONLY.intersection(attributes, parameters):
        if not isinstance(attributes[name], (str, int, float, type(None))):
            attributes[name] = parameters[name].default
    if "n_jobs" in parameters and attributes.get("n_jobs") is not None:
        attributes["n_jobs"] = None  # several threads add the trees of a forest in any order
    if isinstance(value, ColumnTransformer) and hasattr(value, "_columns"):
        attributes["transformers"] = [
            (name, transformer, columns)
            for (name, transformer, _), columns in zip(
                value.transformers, value._columns, strict=True
            )
        ]
    if isinstance(value, SelectFromModel) and callable(value.max_features):
        attributes["max_features"] = getattr(value, "max_features_", None)
    if isinstance(value, FunctionTransformer) and _only_checks(value.func):
        attributes["func"] = None
    return attributes


def _with_one_thread(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a booster's estimator with which one thread predicts."""
    booster: Any = attributes.get("_Booster")
    if hasattr(booster, "set_param"):  # XGBoost's has its own number of threads
        booster = booster.copy()
        booster.set_param({"nthread": 1})
    return {**attributes, "n_jobs": 1, **({"_Booster": booster} if booster else {})}


def _only_checks(function: Any) -> bool:
    """Return whether a function only checks doubles: histogram gradient boosting has such a step.

    The frames that a pipeline predicts from have been checked. A check for another type changes
    numbers, so it stays.
    """
    if not isinstance(function, partial) or function.func is not check_array:
        return False
    dtype = function.keywords.get("dtype", "numeric")
    kinds = dtype if isinstance(dtype, (list, tuple)) else [dtype]
    return all(kind is None or kind == "numeric" or kind == np.float64 for kind in kinds)


def _threshold(fitted: Any) -> Threshold | None:
    """Return the threshold of the last step, where it is one of a probability."""
    last = fitted
    while isinstance(last, (Pipeline, BaseSearchCV)):
        last = last[-1] if isinstance(last, Pipeline) else last.best_estimator_
    if isinstance(last, TunedThresholdClassifierCV):
        value, positive = last.best_threshold_, last._curve_scorer._get_pos_label()
    elif isinstance(last, FixedThresholdClassifier):
        value, positive = 0.5 if last.threshold == "auto" else last.threshold, last.pos_label
    else:
        return None
    if last.response_method == "decision_function" or not hasattr(last, "predict_proba"):
        return None
    return Threshold(float(value), last.classes_[1] if positive is None else positive)


def _are_same(items: Any, others: Any) -> bool:
    return all(item is other for item, other in zip(items, others, strict=True))


def _with_items(array: np.ndarray, items: list[Any]) -> np.ndarray:
    if _are_same(items, array.ravel()):
        return array
    changed = np.empty(len(items), dtype=object)
    changed[:] = items
    return changed.reshape(array.shape)


def _with_attributes(value: Any, attributes: Mapping[str, Any]) -> Any:
    changed = object.__new__(type(value))
    changed.__dict__.update(attributes)
    return changed
