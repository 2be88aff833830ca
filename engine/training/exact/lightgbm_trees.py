"""LightGBM's boosting and forests, from the text that the booster itself writes.

Its arithmetic is that of doubles: a column is compared with a threshold, or is among some
categories, and the leaves of the trees are added up, one after the other.
"""

from typing import Any

import numpy as np

from engine.runtime.exact_contents import Link
from engine.training.exact.column_tests import Tests
from engine.training.exact.exact_file import ExactFile, Sums
from engine.training.exact.layout import Nodes, add_trees
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact

_ESTIMATORS = ("LGBMClassifier", "LGBMRegressor")

_CLASS_LINKS = {
    "binary": Link.SIGMOID, "cross_entropy": Link.SIGMOID, "multiclass": Link.SOFTMAX,
    "multiclassova": Link.SIGMOIDS,
}  # fmt: skip
_NUMBER_LINKS = {
    "regression": Link.NONE, "regression_l1": Link.NONE, "huber": Link.NONE, "fair": Link.NONE,
    "quantile": Link.NONE, "mape": Link.NONE, "poisson": Link.EXP, "gamma": Link.EXP,
    "tweedie": Link.EXP, "cross_entropy": Link.SIGMOIDS,
}  # fmt: skip

#: The bits of a node's decision_type, and the ways in which it takes what is missing.
_IS_CHOICE, _DEFAULT_LEFT = 1, 2
_ZERO, _NAN = 1, 2

#: Numbers that are not greater than this are 0.
_ZERO_REACH = float(np.float32(1e-35))


def is_lightgbm(estimator: Any) -> bool:
    """Return whether an estimator is one of LightGBM's own for classes or numbers."""
    kind = type(estimator)
    return kind.__module__ == "lightgbm.sklearn" and kind.__name__ in _ESTIMATORS


def add_lightgbm(file: ExactFile, preparation: Preparation, boosting: Any, weight: float) -> None:
    """Add an estimator of LightGBM."""
    name, booster = type(boosting).__name__, boosting.booster_
    if booster.pandas_categorical:
        raise NotExact(
            f"{name} is fitted on categories of pandas",
            "encode them by OrdinalEncoder, and name their columns in categorical_feature",
        )
    # It ends at the best iteration of early stopping, as predictions do.
    head, *parts = booster.model_to_string().partition("\nend of trees")[0].split("\nTree=")
    facts, trees = _facts(head), [_facts(part) for part in parts]
    width = int(facts["num_tree_per_iteration"])
    link, factor = _link(boosting, facts.get("objective", ""))
    divisor = 1.0 / factor
    if "average_output" in facts:
        divisor *= len(trees) // width
    outputs = np.tile(np.arange(width), len(trees) // width)
    sums = Sums(np.zeros(width), divisor, link, weight)
    add_trees(file, preparation, sums, _nodes(name, trees), outputs)


def _facts(lines: str) -> dict[str, str]:
    """Return the lines ``name=value`` by name; a name alone has no value."""
    return {name: value for name, _, value in (line.partition("=") for line in lines.splitlines())}


def _link(boosting: Any, objective: str) -> tuple[Link, float]:
    """Return the link of an objective, and by what the sums are multiplied before it."""
    kind, *options = objective.split() or [""]
    links = _CLASS_LINKS if hasattr(boosting, "classes_") else _NUMBER_LINKS
    if kind not in links or "sqrt" in options:
        given = getattr(boosting.objective, "__name__", objective)  # a function of one's own
        raise NotExact(
            f"the objective {given} of {type(boosting).__name__} is not evaluated",
            f"use one of {', '.join(links)}, without reg_sqrt",
        )
    given = dict(option.split(":") for option in options if ":" in option)
    return links[kind], float(given.get("sigmoid", 1.0))


def _nodes(name: str, trees: list[dict[str, str]]) -> Nodes:
    """Return the nodes of trees: in each, first those with tests, then the leaves."""
    if any(tree.get("is_linear") == "1" for tree in trees):
        raise NotExact(f"{name} has linear models for leaves", "leave linear_tree out")
    leaves = [_numbers(tree, "leaf_value") for tree in trees]
    inner = [len(part) - 1 for part in leaves]
    counts = [2 * count + 1 for count in inner]
    roots = np.cumsum([0, *counts[:-1]])
    padding = [np.zeros(count + 1) for count in inner]

    def gathered(field: str) -> Any:
        pairs = zip(trees, padding, strict=True)
        return np.concatenate([x for tree, pad in pairs for x in (_numbers(tree, field), pad)])

    def children(field: str) -> Any:
        # A negative number counts leaves: -1 is the first.
        sides = [_numbers(tree, field).astype(np.intp) for tree in trees]
        placed = [
            root + np.where(side < 0, count - 1 - side, side)
            for root, count, side in zip(roots, inner, sides, strict=True)
        ]
        return np.concatenate(
            [x for side, count in zip(placed, inner, strict=True)
             for x in (side, np.full(count + 1, -1))]
        )  # fmt: skip

    kinds, threshold = gathered("decision_type").astype(np.intp), gathered("threshold")
    missing, is_choice = kinds >> 2 & 3, (kinds & _IS_CHOICE).astype(bool)
    if ((missing == _ZERO) & ~is_choice).any():
        raise NotExact(f"{name} takes 0 for a gap", "leave zero_as_missing out")
    # What is closer to 0 than any threshold but these is 0 to LightGBM.
    near = np.abs(threshold) <= _ZERO_REACH
    threshold = np.where(near & (threshold >= 0), _ZERO_REACH, threshold)
    threshold = np.where(near & (threshold < 0), np.nextafter(-_ZERO_REACH, -np.inf), threshold)
    # Where training saw no gap, it counts as 0. A gap is in no set of categories.
    gap = np.where(missing == _NAN, (kinds & _DEFAULT_LEFT).astype(bool), 0.0 <= threshold)
    tests = Tests(
        gathered("split_feature").astype(np.intp), np.where(is_choice, 0.0, threshold),
        gap & ~is_choice, np.where(is_choice, np.cumsum(is_choice) - 1, -1), _choices(trees),
        is_single=False,
    )  # fmt: skip
    values = np.concatenate([x for part in leaves for x in (np.zeros(len(part) - 1), part)])
    return Nodes(roots, children("left_child"), children("right_child"), tests, values)


def _numbers(tree: dict[str, str], field: str) -> Any:
    return np.array(tree.get(field, "").split(), np.float64)


def _choices(trees: list[dict[str, str]]) -> Any:
    """Return for each test of a category which codes go left, in the order of the nodes."""
    rows = []
    for tree in trees:
        words = _numbers(tree, "cat_threshold").astype("<u4")
        bounds = _numbers(tree, "cat_boundaries").astype(np.intp)
        kinds = _numbers(tree, "decision_type").astype(np.intp)
        for place in _numbers(tree, "threshold")[(kinds & _IS_CHOICE) > 0].astype(np.intp):
            content = words[bounds[place] : bounds[place + 1]].view(np.uint8)
            rows.append(np.unpackbits(content, bitorder="little").astype(bool))
    choices = np.zeros((len(rows), max(map(len, rows), default=0)), bool)
    for row, codes in zip(choices, rows, strict=True):
        row[: len(codes)] = codes
    return choices
