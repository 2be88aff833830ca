"""Let a forest of two classes sum one probability, in double precision.

skl2onnx makes a forest that returns a label and two probabilities, and sums in
single precision. Only the second probability is needed: the card's threshold
decides the label, and the first probability is 1 minus the second. A forest
with a single sum stores each leaf's share beside the leaf, and answers a
record in two thirds of the time.

scikit-learn rounds the inputs of a tree to single precision. A double rounds to
at most a threshold exactly if it is at most the largest double that does. With
these doubles as thresholds, the rounding can be left out.
"""

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx.numpy_helper import from_array


def with_one_sum(model: ModelProto) -> ModelProto:
    """Return a graph whose only output, of shape (n, 1), is the second class's probability.

    Return the same model when it does not end with a forest of two classes
    over inputs that are rounded to single precision.
    """
    forest = model.graph.node[-1]
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in forest.attribute}
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or ()
    rounded = _rounded(model, forest.input[0])
    if (
        forest.op_type != "TreeEnsembleClassifier"
        or list(forest.output) != [output.name for output in model.graph.output]
        or attributes["post_transform"] != b"NONE"
        or len(labels) != 2
        or len(set(attributes["class_ids"])) != 1  # with both classes each share would occur twice
        or set(attributes["nodes_modes"]) - {b"LEAF", b"BRANCH_LEQ"}
        or rounded is None
    ):
        return model
    new = ModelProto()
    new.CopyFrom(model)
    del new.graph.node[-1], new.graph.output[:]
    new.graph.node.remove(rounded)
    shares = forest.output[1]
    new.graph.node.append(
        helper.make_node(
            "TreeEnsembleRegressor", [rounded.input[0]], [shares], domain=forest.domain,
            n_targets=1, aggregate_function="SUM", post_transform="NONE", **_in_doubles(attributes),
        )
    )  # fmt: skip
    new.graph.output.append(helper.make_tensor_value_info(shares, TensorProto.FLOAT, [None, 1]))
    for opset in new.opset_import:
        if opset.domain == forest.domain:
            opset.version = max(3, opset.version)  # the first with doubles
    return new


def largest_that_round_to(limits: Any) -> Any:
    """Return the largest doubles that round to at most the given singles."""
    with np.errstate(over="ignore"):
        above = np.nextafter(limits, np.float32(np.inf)).astype(np.float64)
    above[np.isinf(above)] = 2.0**128
    middle = (limits.astype(np.float64) + above) / 2
    # A double in the middle rounds to the neighbour whose last bit is 0.
    is_even = limits.view(np.int32) & 1 == 0
    return np.where(is_even, middle, np.nextafter(middle, -np.inf))


def _rounded(model: ModelProto, name: str) -> NodeProto | None:
    """Return the node that computes a tensor by rounding to single precision."""
    node: NodeProto
    for node in model.graph.node:
        kinds = [attribute.i for attribute in node.attribute if attribute.name == "to"]
        if node.op_type == "Cast" and list(node.output) == [name] and kinds == [TensorProto.FLOAT]:
            return node
    return None


def _in_doubles(attributes: dict[str, Any]) -> dict[str, Any]:
    singles = np.array(attributes["nodes_values"], dtype=np.float32)
    weights = np.array(attributes["class_weights"], dtype=np.float64)
    nodes = {key: value for key, value in attributes.items() if key[:6] == "nodes_"}
    del nodes["nodes_values"]
    nodes.pop("nodes_hitrates", None)
    return {
        **nodes,
        "target_treeids": attributes["class_treeids"],
        "target_nodeids": attributes["class_nodeids"],
        "target_ids": [0] * len(attributes["class_ids"]),
        "nodes_values_as_tensor": from_array(largest_that_round_to(singles), "thresholds"),
        "target_weights_as_tensor": from_array(weights, "shares"),
    }
