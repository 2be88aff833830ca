"""Lets skl2onnx convert histogram gradient boosting, which ends with an error as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skl2onnx.common import tree_ensemble


@contextmanager
def mended_boosting() -> Iterator[None]:
    """Hand plain numbers to skl2onnx in place of NumPy's, for as long as the context lasts.

    The conversion rounds thresholds and ignores categories: good enough to measure a speed with,
    and refused by the gate.
    """
    stock = tree_ensemble.add_node

    def add_node(*args: Any, nodes_missing_value_tracks_true: Any = 0, **rest: Any) -> None:
        stock(*args, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **rest)

    tree_ensemble.add_node = add_node
    try:
        yield
    finally:
        tree_ensemble.add_node = stock
