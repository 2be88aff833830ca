"""The best graph that onnxruntime has for histogram boosting: one ensemble of double thresholds.

Training exports no such graph: the exact runtime serves these models. This is what it is
measured against.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from engine.runtime.onnx import RECORD
from engine.schema.fields import Field


def boosting_graph(boosting: Any, fields: Sequence[Field]) -> bytes:
    """Return a graph from records of numbers to the probability of the second class."""
    trees = [stage[0].nodes for stage in boosting._predictors]
    nodes = np.concatenate(trees)
    number = np.repeat(np.arange(len(trees)), list(map(len, trees)))
    place = np.concatenate([np.arange(len(tree)) for tree in trees])
    is_leaf = nodes["is_leaf"].astype(bool)
    inner = np.where(is_leaf, 0, 1)
    columns = {
        "nodes_treeids": number,
        "nodes_nodeids": place,
        "nodes_featureids": nodes["feature_idx"] * inner,
        "nodes_truenodeids": nodes["left"] * inner,
        "nodes_falsenodeids": nodes["right"] * inner,
        "nodes_missing_value_tracks_true": nodes["missing_go_to_left"] * inner,
        "target_treeids": number[is_leaf],
        "target_nodeids": place[is_leaf],
        "target_ids": 0 * place[is_leaf],
    }
    doubles = {
        "nodes_values": np.where(is_leaf, 0.0, nodes["num_threshold"]),
        "target_weights": nodes["value"][is_leaf],
        "base_values": np.ravel(boosting._baseline_prediction),
    }
    tensors = {
        f"{name}_as_tensor": helper.make_tensor(name, TensorProto.DOUBLE, [len(each)], each)
        for name, each in doubles.items()
    }
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", [RECORD], ["raw"], domain="ai.onnx.ml", n_targets=1,
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(), **tensors,
        **{name: each.astype(int).tolist() for name, each in columns.items()},
    )  # fmt: skip
    graph = helper.make_graph(
        [ensemble, helper.make_node("Sigmoid", ["raw"], ["probability"])],
        "boosting",
        [helper.make_tensor_value_info(RECORD, TensorProto.DOUBLE, [None, len(fields)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
    )
    versions = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    return bytes(model.SerializeToString())
