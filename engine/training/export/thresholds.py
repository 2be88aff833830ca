"""Where the trees of a fitted pipeline split, wherever they are in it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

#: Computes what an estimator sees of a frame, of shape (n, n_features).
Features = Callable[[Any], Any]

#: The attributes in which scikit-learn keeps what was fitted on the same features.
_MEMBERS = ("estimators_", "estimator_", "regressor_", "best_estimator_", "calibrated_classifiers_")


class Splits(NamedTuple):
    """The distinct splits of trees that see the same features.

    The places of the features and the thresholds are of shape (n,). Most trees compare
    features in single precision, histogram gradient boosting in double.
    """

    features: Features
    places: Any
    thresholds: Any
    is_single: bool


def splits(pipeline: Any) -> list[Splits]:
    """List the splits of all trees of a pipeline, a group for each way to compute features."""
    groups: dict[tuple[Features, bool], list[Any]] = {}
    for tree in _trees(pipeline, lambda table: table):
        group = groups.setdefault((tree.features, tree.is_single), [])
        group.append(np.stack([tree.places, tree.thresholds]))
    distinct = {key: np.unique(np.concatenate(g, axis=1), axis=1) for key, g in groups.items()}
    return [
        Splits(features, pairs[0].astype(np.intp), pairs[1], is_single)
        for (features, is_single), pairs in distinct.items()
        if pairs.shape[1]
    ]


def _trees(estimator: Any, features: Features) -> Iterator[Splits]:
    """Yield the splits of each tree."""
    if isinstance(estimator, Pipeline):
        for number, (_, step) in enumerate(estimator.steps):
            before = estimator[:number]
            yield from _trees(step, _after(before.transform, features) if number else features)
    elif hasattr(estimator, "tree_"):
        tree = estimator.tree_
        is_split = tree.children_left != tree.children_right
        yield Splits(features, tree.feature[is_split], tree.threshold[is_split], True)
    elif hasattr(estimator, "_predictors"):  # histogram gradient boosting
        yield from _boosted(estimator, features)
    else:
        yield from _members(estimator, features)


def _boosted(boosting: Any, features: Features) -> Iterator[Splits]:
    before = getattr(boosting, "_preprocessor", None)
    seen = _after(before.transform, features) if before is not None else features
    for stage in boosting._predictors:
        for nodes in (tree.nodes for tree in stage):
            numeric = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
            yield Splits(seen, numeric["feature_idx"], numeric["num_threshold"], False)


def _members(estimator: Any, features: Features) -> Iterator[Splits]:
    places = getattr(estimator, "estimators_features_", None)  # of bagging
    for name in _MEMBERS:
        fitted = getattr(estimator, name, [])
        listed = np.ravel(fitted).tolist() if isinstance(fitted, np.ndarray) else fitted
        for number, member in enumerate(listed if isinstance(listed, list) else [fitted]):
            inner = getattr(member, "estimator", member) if name[:4] == "cali" else member
            if places is None:
                yield from _trees(inner, features)
            elif hasattr(inner, "tree_"):  # its features are some of the others'
                for tree in _trees(inner, features):
                    yield tree._replace(places=places[number][tree.places])
            else:
                yield from _trees(inner, _after(_Columns(places[number]), features))
    if hasattr(estimator, "final_estimator_"):
        yield from _trees(estimator.final_estimator_, _after(estimator.transform, features))


def _after(step: Features, features: Features) -> Features:
    return lambda table: step(features(table))


class _Columns:
    """Takes some columns."""

    def __init__(self, places: Any) -> None:
        self._places = places

    def __call__(self, table: Any) -> Any:
        return (table if hasattr(table, "toarray") else np.asarray(table))[:, self._places]
