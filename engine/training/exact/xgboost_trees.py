"""XGBoost's boosting and forests, from the JSON that the booster itself writes.

Its arithmetic is single: a column, rounded, is compared with a threshold, and the leaves of the
trees are added to a base one after the other.
"""

import json
from typing import Any

import numpy as np

from engine.runtime.exact_contents import Link
from engine.training.exact.column_tests import Tests
from engine.training.exact.exact_file import ExactFile, Sums
from engine.training.exact.layout import Nodes, add_trees
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact

_ESTIMATORS = ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")

_CLASS_LINKS = {
    "binary:logistic": Link.SIGMOID, "reg:logistic": Link.SIGMOID,
    "multi:softprob": Link.SOFTMAX, "multi:softmax": Link.SOFTMAX,
}  # fmt: skip
_NUMBER_LINKS = {
    "reg:squarederror": Link.NONE, "reg:squaredlogerror": Link.NONE, "reg:absoluteerror": Link.NONE,
    "reg:pseudohubererror": Link.NONE, "reg:quantileerror": Link.NONE,
    "reg:expectileerror": Link.NONE, "reg:logistic": Link.SIGMOIDS, "count:poisson": Link.EXP,
    "reg:gamma": Link.EXP, "reg:tweedie": Link.EXP,
}  # fmt: skip


def is_xgboost(estimator: Any) -> bool:
    """Return whether an estimator is one of XGBoost's own for classes or numbers."""
    kind = type(estimator)
    return kind.__module__ == "xgboost.sklearn" and kind.__name__ in _ESTIMATORS


def add_xgboost(file: ExactFile, preparation: Preparation, boosting: Any, weight: float) -> None:
    """Add an estimator of XGBoost, in single precision."""
    booster = boosting.get_booster()
    learner = json.loads(booster.save_raw("json"))["learner"]
    link = _link(boosting, learner)
    _check(preparation, boosting, learner)
    model = learner["gradient_booster"]["model"]
    best = getattr(boosting, "best_iteration", None)  # of early stopping
    rounds = model["iteration_indptr"]
    count = rounds[-1 if best is None else best + 1]
    nodes, outputs = _nodes(model["trees"][:count]), model["tree_info"][:count]
    width = max(1, int(learner["learner_model_param"]["num_class"]))
    sums = Sums(_bases(booster, width), link=link, weight=weight, is_single=True)
    add_trees(file, preparation, sums, nodes, np.array(outputs))


def _link(boosting: Any, learner: Any) -> Link:
    name, objective = type(boosting).__name__, learner["objective"]["name"]
    links = _CLASS_LINKS if hasattr(boosting, "n_classes_") else _NUMBER_LINKS
    if not isinstance(boosting.objective, str) or objective not in links:
        given = getattr(boosting.objective, "__name__", objective)  # a function of one's own
        raise NotExact(
            f"the objective {given} of {name} is not evaluated",
            f"use one of {', '.join(links)}",
        )
    return links[objective]


def _check(preparation: Preparation, boosting: Any, learner: Any) -> None:
    """Refuse what the trees alone do not decide."""
    name = type(boosting).__name__
    if (kind := learner["gradient_booster"]["name"]) != "gbtree":
        raise NotExact(f"{name} has booster={kind!r}", "use booster='gbtree'")
    if int(learner["learner_model_param"]["num_target"]) > 1:
        raise NotExact(f"{name} has several targets", "fit it on one")
    if learner["gradient_booster"]["model"].get("cats", {}).get("enc"):
        raise NotExact(
            f"{name} is fitted on categories of pandas",
            "number them by OrdinalEncoder, and name them in feature_types",
        )
    if boosting.missing is not None and not np.isnan(boosting.missing):
        raise NotExact(f"{name} takes {boosting.missing:g} for a gap", "leave `missing` out")
    if preparation.is_sparse:
        raise NotExact(
            f"{name} takes each 0 of a sparse table for a gap",
            "give OneHotEncoder sparse_output=False, or ColumnTransformer sparse_threshold=0",
        )


def _bases(booster: Any, width: int) -> Any:
    """Return where the sums start, as XGBoost itself rounds it, asked of trees whose leaves are 0.

    The booster's JSON has it as the inverse of its link.
    """
    first = json.loads(booster[:1].save_raw("json"))
    for tree in first["learner"]["gradient_booster"]["model"]["trees"]:
        tree["split_conditions"] = [-0.0] * len(tree["split_conditions"])
    bare = type(booster)({"nthread": 1})
    bare.load_model(bytearray(json.dumps(first), "utf-8"))
    row = np.zeros((1, booster.num_features()), np.float32)
    margin = bare.inplace_predict(row, predict_type="margin", validate_features=False)
    return np.broadcast_to(margin.astype(np.float64).ravel(), width).copy()


def _nodes(trees: Any) -> Nodes:
    counts = [len(tree["left_children"]) for tree in trees]
    roots = np.cumsum([0, *counts[:-1]])
    shifts = np.repeat(roots, counts)
    left, right, column, gap_is_true, is_choice = (
        np.concatenate([np.array(tree[name], np.intp) for tree in trees])
        for name in (
            "left_children", "right_children", "split_indices", "default_left", "split_type"
        )
    )  # fmt: skip
    # Of a leaf it is the value.
    split = np.concatenate([np.array(tree["split_conditions"], np.float32) for tree in trees])
    # Less than a single is at most the single before it; nothing is less than -inf.
    before = np.nextafter(split, np.float32(-np.inf)).astype(np.float64)
    before[np.isneginf(split)] = np.nan
    choice = np.where(is_choice, np.cumsum(is_choice) - 1, -1)
    tests = Tests(
        column, before, gap_is_true.astype(bool), choice, _choices(trees), is_single=True,
        are_others_true=True,
    )  # fmt: skip
    is_leaf = left < 0
    return Nodes(
        roots, np.where(is_leaf, -1, left + shifts), np.where(is_leaf, -1, right + shifts),
        tests, split.astype(np.float64),
    )  # fmt: skip


def _choices(trees: Any) -> Any:
    """Return for each test of a category which codes go left, in the order of the nodes."""
    rows = []
    for tree in trees:
        parts = zip(tree["categories_segments"], tree["categories_sizes"], strict=True)
        rights = [tree["categories"][first : first + size] for first, size in parts]
        by_node = sorted(zip(tree["categories_nodes"], rights, strict=True))
        rows += [codes for _, codes in by_node]
    choices = np.ones((len(rows), 1 + max((max(codes) for codes in rows), default=-1)), bool)
    for row, codes in zip(choices, rows, strict=True):
        row[codes] = False
    return choices
