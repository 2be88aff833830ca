"""Translates a fitted pipeline to the file that the exact runtime evaluates.

No estimator is computed otherwise than scikit-learn does: the file has the fitted arrays, with
the tests of the trees moved in front of the preparation (`engine.training.exact.folding`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.pipeline import Pipeline

from engine.runtime.exact_contents import Link
from engine.schema.fields import Field
from engine.training.exact.boosting import GRADIENT, HISTOGRAM, add_gradient, add_histogram
from engine.training.exact.exact_file import ExactFile
from engine.training.exact.forests import (
    FORESTS,
    TREES,
    add_bagged_trees,
    add_forest,
    add_tree,
)
from engine.training.exact.lightgbm_trees import add_lightgbm, is_lightgbm
from engine.training.exact.linear import add_linear, is_linear
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact
from engine.training.exact.xgboost_trees import add_xgboost, is_xgboost

_BAGGING = (BaggingClassifier, BaggingRegressor)
_VOTING = (VotingClassifier, VotingRegressor)
_TARGET_LINKS = {np.exp: Link.EXP, np.expm1: Link.EXPM1}


def translate(pipeline: Any, fields: Sequence[Field]) -> bytes:
    """Return the content of ``model.trees`` for a fitted pipeline.

    Its trees answer as the pipeline does, bit for bit. Raise `NotExact` if it has a part that
    cannot be evaluated exactly.
    """
    preparation, estimator = _unwrapped(Preparation.before(fields), pipeline)
    file = ExactFile(len(fields))
    if type(estimator) is TransformedTargetRegressor:
        link = _target_link(estimator)
        preparation, estimator = _unwrapped(preparation, estimator.regressor_)
        _add(file, preparation, estimator, 1.0)
        file.set_link(link)
        return file.content()
    if type(estimator) in _VOTING:
        return _voting(file, preparation, estimator)
    if type(estimator) in _BAGGING and not _bags_trees(estimator):
        return _bagging(file, preparation, estimator)
    _add(file, preparation, estimator, 1.0)
    return file.content()


def _unwrapped(preparation: Preparation, estimator: Any) -> tuple[Preparation, Any]:
    """Return what comes before an estimator, and the estimator itself, out of pipelines."""
    while type(estimator) is Pipeline:
        for _, step in estimator.steps[:-1]:
            preparation = preparation.after(step)
        estimator = estimator.steps[-1][1]
    return preparation, estimator


def _add(file: ExactFile, preparation: Preparation, estimator: Any, weight: float) -> None:
    """Add an estimator as one member."""
    preparation, estimator = _unwrapped(preparation, estimator)
    kind = type(estimator)
    if kind in TREES:
        add_tree(file, preparation, estimator, weight)
    elif kind in FORESTS:
        add_forest(file, preparation, estimator, weight)
    elif kind in GRADIENT:
        add_gradient(file, preparation, estimator, weight)
    elif kind in HISTOGRAM:
        add_histogram(file, preparation, estimator, weight)
    elif kind in _BAGGING and _bags_trees(estimator):
        add_bagged_trees(file, preparation, estimator, weight)
    elif is_xgboost(estimator) or is_lightgbm(estimator):
        _add_booster(file, preparation, estimator, weight)
    elif is_linear(estimator):
        add_linear(file, preparation, estimator, weight)
    else:
        raise NotExact(
            f"{kind.__name__} is not evaluated as it is fitted",
            "use trees, boosting, a linear model, or one average of these",
        )


def _add_booster(file: ExactFile, preparation: Preparation, booster: Any, weight: float) -> None:
    add = add_xgboost if is_xgboost(booster) else add_lightgbm
    try:
        add(file, preparation, booster, weight)
    except KeyError as error:
        raise NotExact(
            f"{type(booster).__name__} is of a version that writes no {error} of its trees",
            "install the version of Pipfile.lock",
        ) from error


def _voting(file: ExactFile, preparation: Preparation, voting: Any) -> bytes:
    if getattr(voting, "voting", "soft") != "soft":
        raise NotExact("VotingClassifier counts labels", "use voting='soft'")
    weights = voting._weights_not_none
    for place, estimator in enumerate(voting.estimators_):
        _add(file, preparation, estimator, 1.0 if weights is None else float(weights[place]))
    total = len(voting.estimators_) if weights is None else np.sum(weights, dtype=np.float64)
    return _averaged(file, voting, float(total))


def _bagging(file: ExactFile, preparation: Preparation, bagging: Any) -> bytes:
    for estimator, places in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        if hasattr(bagging, "classes_") and not hasattr(estimator, "predict_proba"):
            raise NotExact("BaggingClassifier counts labels", "bag estimators with probabilities")
        _add(file, preparation.of(places), estimator, 1.0)
    return _averaged(file, bagging, float(len(bagging.estimators_)))


def _averaged(file: ExactFile, estimator: Any, divisor: float) -> bytes:
    expected = len(estimator.classes_) if hasattr(estimator, "classes_") else 1
    if set(file.n_outputs) != {expected}:
        raise NotExact(
            f"not all members of {type(estimator).__name__} have seen all classes",
            "give rows of every class to each of them",
        )
    return file.content(divisor)


def _bags_trees(bagging: Any) -> bool:
    return all(type(tree) in TREES for tree in bagging.estimators_)


def _target_link(estimator: Any) -> Link:
    inverse = getattr(estimator.transformer_, "inverse_func", None)
    for function, link in _TARGET_LINKS.items():
        if inverse is function:
            return link
    raise NotExact(
        "TransformedTargetRegressor turns its answers back by something else than numpy.exp or "
        "numpy.expm1",
        "use one of these as inverse_func",
    )
