"""Decision trees and their averages, from the arrays of the fitted trees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)  # fmt: skip

from engine.training.exact.column_tests import Tests
from engine.training.exact.exact_file import ExactFile, Sums
from engine.training.exact.layout import Nodes, add_trees
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact

TREES = (
    DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor,
)  # fmt: skip
FORESTS = (
    ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor,
)  # fmt: skip


def add_tree(file: ExactFile, preparation: Preparation, tree: Any, weight: float) -> None:
    """Add a single decision tree."""
    _check_outputs(tree)
    nodes = tree_nodes([tree], [None], _vectors([tree]))
    # Adding to -0.0 leaves every number as it is, while 0.0 turns a leaf's -0.0 into 0.0.
    bases = np.full(nodes.leaves.shape[1:] or 1, -0.0)
    add_trees(file, preparation, Sums(bases, weight=weight), nodes, 0)


def add_forest(file: ExactFile, preparation: Preparation, forest: Any, weight: float) -> None:
    """Add a forest, whose output is the mean of its trees'."""
    _check_outputs(forest)
    trees = forest.estimators_
    add_mean(file, preparation, trees, [None] * len(trees), _vectors(trees), weight)


def add_bagged_trees(
    file: ExactFile, preparation: Preparation, bagging: Any, weight: float
) -> None:
    """Add bagged trees, each of which sees some of the columns and maybe some of the classes."""
    trees = bagging.estimators_
    leaves = [_values(tree) for tree in trees]
    if hasattr(bagging, "classes_"):
        for number, tree in enumerate(trees):
            vectors = np.zeros((len(leaves[number]), len(bagging.classes_)))
            classes = np.asarray(tree.classes_, np.intp)
            vectors[:, classes] = leaves[number].reshape(len(vectors), -1)
            leaves[number] = vectors
    places = [np.asarray(columns) for columns in bagging.estimators_features_]
    add_mean(file, preparation, trees, places, np.concatenate(leaves), weight)


def add_mean(
    file: ExactFile, preparation: Preparation, trees: Sequence[Any], places: Sequence[Any],
    leaves: Any, weight: float,
) -> None:  # fmt: skip
    """Add trees, the places of the columns that each sees, and the values of their nodes."""
    nodes = tree_nodes(trees, places, leaves)
    sums = Sums(np.zeros(leaves.shape[1:] or 1), float(len(trees)), weight=weight)
    add_trees(file, preparation, sums, nodes, 0)


def tree_nodes(trees: Sequence[Any], places: Sequence[Any], leaves: Any) -> Nodes:
    """Return the nodes of fitted trees; None stands for all columns."""
    inner = [tree.tree_ for tree in trees]
    counts = [tree.node_count for tree in inner]
    roots = np.cumsum([0, *counts[:-1]])
    shifts = np.repeat(roots, counts)
    left = np.concatenate([tree.children_left for tree in inner])
    right = np.concatenate([tree.children_right for tree in inner])
    columns = np.concatenate(
        [
            tree.feature if seen is None else seen[np.maximum(tree.feature, 0)]
            for tree, seen in zip(inner, places, strict=True)
        ]
    )
    tests = Tests(
        columns,
        np.concatenate([tree.threshold for tree in inner]),
        np.concatenate([tree.missing_go_to_left for tree in inner]).astype(bool),
        np.full(len(left), -1),
        np.zeros((0, 0), bool),
        is_single=True,
    )
    is_leaf = left < 0
    return Nodes(
        roots, np.where(is_leaf, -1, left + shifts), np.where(is_leaf, -1, right + shifts),
        tests, leaves,
    )  # fmt: skip


def _vectors(trees: Sequence[Any]) -> Any:
    return np.concatenate([_values(tree) for tree in trees])


def _values(tree: Any) -> Any:
    """Return what each node of a tree answers: a number, or the shares of the classes."""
    _check_outputs(tree)
    values = tree.tree_.value[:, 0, :]
    return values[:, : tree.n_classes_] if hasattr(tree, "classes_") else values[:, 0]


def _check_outputs(estimator: Any) -> None:
    if estimator.n_outputs_ > 1:
        name = type(estimator).__name__
        raise NotExact(f"{name} has several targets", "fit it on one")
