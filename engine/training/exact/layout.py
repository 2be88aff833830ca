"""Puts the nodes of trees in the order in which they are walked: children side by side."""

from typing import Any, NamedTuple

import numpy as np

from engine.runtime.exact_contents import NODE, TREE
from engine.training.exact.column_tests import Tests
from engine.training.exact.exact_file import LEAF, VECTORS, ExactFile, Sums
from engine.training.exact.folding import fold
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact


class Nodes(NamedTuple):
    """The nodes of trees, one tree after the other; `roots` are their first ones.

    Children are places among all of these nodes; -1 is a leaf's. The tests are those of all
    nodes, and mean nothing at leaves. The leaves' values are of shape (n,) or (n, width).
    """

    roots: Any
    left: Any
    right: Any
    tests: Tests
    leaves: Any


def add_trees(
    file: ExactFile, preparation: Preparation, sums: Sums, nodes: Nodes, outputs: Any
) -> None:
    """Add trees to a file, whose leaves add to the given outputs, unless they are vectors."""
    order, tree, depths = _breadth_first(nodes)
    # Behind each root is a leaf that nothing reaches, so that the two children of a node, which
    # begin at an even place, lie in one line of the processor's cache.
    is_root = np.isin(order, nodes.roots)
    new = np.empty(len(nodes.left), np.intp)  # XGBoost leaves pruned nodes there
    new[order] = np.arange(len(order)) + tree + ~is_root
    written = np.zeros(len(order) + len(nodes.roots), NODE)
    written["slot"], written["left"] = LEAF, np.arange(len(written))
    is_inner = nodes.left[order] >= 0
    inner, leaves = order[is_inner], order[~is_inner]
    folded = fold(preparation, nodes.tests.take(inner), file)
    at = new[inner]
    written["value"][at] = folded.value
    written["slot"][at] = folded.slot
    written["is_set"][at] = folded.is_set
    written["left"][at] = new[nodes.left[inner]]
    values = nodes.leaves[leaves]
    if not np.isfinite(values).all():
        raise NotExact(
            "not all leaves of its trees are finite numbers",
            "lower its learning rate, or change the scale of the target",
        )
    padding = new[nodes.roots] + 1
    is_vector = values.ndim > 1
    written["value"][new[leaves]] = _offsets(file, values) if is_vector else values
    written["value"][padding] = written["value"][new[leaves[0]]]
    trees = np.zeros(len(nodes.roots), TREE)
    trees["root"], trees["depth"] = new[nodes.roots], depths
    trees["output"] = VECTORS if is_vector else outputs
    file.add_trees(sums, trees, written)


def _breadth_first(nodes: Nodes) -> tuple[Any, Any, Any]:
    """Return the nodes tree by tree, level by level, with their trees, and the trees' depths."""
    depths = np.zeros(len(nodes.roots), np.intp)
    level, tree = nodes.roots, np.arange(len(nodes.roots))
    levels, trees = [level], [tree]
    while True:
        is_inner = nodes.left[level] >= 0
        parents, tree = level[is_inner], np.repeat(tree[is_inner], 2)
        if not len(parents):
            break
        level = np.stack([nodes.left[parents], nodes.right[parents]], axis=1).ravel()
        depths[tree] = len(levels)
        levels.append(level)
        trees.append(tree)
    of = np.concatenate(trees)
    order = np.argsort(of, kind="stable")
    return np.concatenate(levels)[order], of[order], depths


def _offsets(file: ExactFile, vectors: Any) -> Any:
    """Add each distinct vector once; return where in the values each vector is."""
    width = vectors.shape[1]
    rows = np.ascontiguousarray(vectors, "<f8").view(f"V{8 * width}").ravel()
    distinct, places = np.unique(rows, return_inverse=True)
    return file.values(distinct.view("<f8")) + float(width) * places
