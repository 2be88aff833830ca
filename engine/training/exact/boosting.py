"""Gradient boosting, both kinds: sums of trees from a base, and a link."""

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)  # fmt: skip

from engine.runtime.exact_contents import Link
from engine.training.exact.column_tests import Tests
from engine.training.exact.exact_file import ExactFile, Sums
from engine.training.exact.forests import tree_nodes
from engine.training.exact.layout import Nodes, add_trees
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact

GRADIENT = (GradientBoostingClassifier, GradientBoostingRegressor)
HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

_LINKS = {
    "IdentityLink": Link.NONE, "LogLink": Link.EXP, "LogitLink": Link.SIGMOID,
    "HalfLogitLink": Link.SIGMOID, "MultinomialLogit": Link.SOFTMAX,
}  # fmt: skip


def add_gradient(file: ExactFile, preparation: Preparation, boosting: Any, weight: float) -> None:
    """Add gradient boosting."""
    name = type(boosting).__name__
    first = boosting.init_
    is_constant = isinstance(first, str) or (
        type(first) in (DummyClassifier, DummyRegressor)
        and first.strategy not in ("stratified", "uniform")
    )
    if not is_constant:
        raise NotExact(f"{name} starts from {type(first).__name__}", "leave init out")
    link = link_of(boosting)
    # Its probability is that of twice the sum, and doubling is exact.
    factor = 2.0 if type(boosting._loss.link).__name__ == "HalfLogitLink" else 1.0
    trees = boosting.estimators_.ravel().tolist()
    leaves = np.concatenate([tree.tree_.value[:, 0, 0] for tree in trees])
    nodes = tree_nodes(trees, [None] * len(trees), factor * (boosting.learning_rate * leaves))
    bases = boosting._raw_predict_init(np.zeros((1, boosting.n_features_in_), np.float32))[0]
    width = boosting.estimators_.shape[1]
    outputs = np.tile(np.arange(width), len(boosting.estimators_))
    sums = Sums(factor * bases, link=link, weight=weight)
    add_trees(file, preparation, sums, nodes, outputs)


def add_histogram(file: ExactFile, preparation: Preparation, boosting: Any, weight: float) -> None:
    """Add histogram gradient boosting, with its own categories and directions of gaps."""
    if boosting._preprocessor is not None:
        preparation = preparation.after(boosting._preprocessor)
    trees = [tree for stage in boosting._predictors for tree in stage]
    counts = [len(tree.nodes) for tree in trees]
    nodes = np.concatenate([tree.nodes for tree in trees])
    roots = np.cumsum([0, *counts[:-1]])
    shifts = np.repeat(roots, counts)
    is_leaf = nodes["is_leaf"].astype(bool)
    is_choice = nodes["is_categorical"].astype(bool) & ~is_leaf
    choice = np.where(is_choice, np.cumsum(is_choice) - 1, -1)
    tests = Tests(
        nodes["feature_idx"].astype(np.intp),
        nodes["num_threshold"].copy(),
        nodes["missing_go_to_left"].astype(bool),
        choice,
        _choices(trees, nodes[is_choice], np.repeat(np.arange(len(trees)), counts)[is_choice]),
        is_single=False,
    )
    walk = Nodes(
        roots, np.where(is_leaf, -1, nodes["left"] + shifts),
        np.where(is_leaf, -1, nodes["right"] + shifts), tests, nodes["value"].copy(),
    )  # fmt: skip
    width = boosting.n_trees_per_iteration_
    sums = Sums(boosting._baseline_prediction[0], link=link_of(boosting), weight=weight)
    outputs = np.tile(np.arange(width), len(boosting._predictors))
    add_trees(file, preparation, sums, walk, outputs)


def link_of(boosting: Any) -> Link:
    """Return the link of a fitted loss."""
    name = type(boosting._loss.link).__name__
    if name not in _LINKS:
        raise NotExact(
            f"the link {name} of {type(boosting).__name__} is not evaluated", "choose another loss"
        )
    return _LINKS[name]


def _choices(trees: Any, nodes: Any, tree_of: Any) -> Any:
    """Return for each test of a category which of the 256 codes go left.

    A code that no training row had is a gap already: the boosting's own encoder makes it one.
    """
    if not len(nodes):
        return np.zeros((0, 0), bool)
    left = [
        trees[tree].raw_left_cat_bitsets[number]
        for tree, number in zip(tree_of, nodes["bitset_idx"], strict=True)
    ]
    return _bits(np.stack(left))


def _bits(words: Any) -> Any:
    """Return sets of 256 codes, given as eight words of 32 bits, as booleans."""
    content = np.ascontiguousarray(words, "<u4").view(np.uint8)
    return np.unpackbits(content, axis=1, bitorder="little").astype(bool)
