"""Let the trees of a graph take doubles, and compare them as scikit-learn's trees do.

scikit-learn rounds the inputs of a tree to single precision, and compares them with
thresholds in double precision. skl2onnx writes the largest singles up to the thresholds.
A double rounds to at most a single exactly if it is at most the largest double that does.
With these doubles as thresholds, nothing has to be rounded.
"""

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx.numpy_helper import from_array

_ENSEMBLES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")

#: The attributes that hold singles, and double precision has as tensors.
_SINGLES = ("nodes_values", "class_weights", "target_weights", "base_values")


def with_double_trees(model: ModelProto) -> ModelProto:
    """Return a graph whose trees compare doubles and sum in double precision."""
    new = ModelProto()
    new.CopyFrom(model)
    outputs = {tensor.name: tensor for tensor in new.graph.output}
    nodes = []
    for node in new.graph.node:
        nodes.append(node)
        if node.op_type in _ENSEMBLES:
            _widen(node)
            sums = node.output[-1]
            if sums in outputs:
                outputs[sums].type.tensor_type.elem_type = TensorProto.FLOAT
            else:  # skl2onnx takes it for doubles
                node.output[-1] = f"{sums}_in_single"
                cast = helper.make_node("Cast", node.output[-1:], [sums], to=TensorProto.DOUBLE)
                nodes.append(cast)
    new.graph.ClearField("node")
    new.graph.node.extend(nodes)
    for opset in new.opset_import:
        if opset.domain == "ai.onnx.ml":
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


def _widen(node: NodeProto) -> None:
    """Give a node of trees doubles in place of singles."""
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    if set(attributes["nodes_modes"]) - {b"LEAF", b"BRANCH_LEQ"}:
        raise NotImplementedError("only trees that compare by 'at most' are converted")
    kept = [entry for entry in node.attribute if entry.name not in (*_SINGLES, "nodes_hitrates")]
    del node.attribute[:]
    node.attribute.extend(kept)
    for name in filter(attributes.__contains__, _SINGLES):
        singles = np.array(attributes[name], dtype=np.float32)
        is_limit = name == "nodes_values"
        doubles = largest_that_round_to(singles) if is_limit else singles.astype(np.float64)
        tensor = from_array(doubles, name)
        node.attribute.append(helper.make_attribute(f"{name}_as_tensor", tensor))
