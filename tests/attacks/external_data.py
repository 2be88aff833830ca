"""ONNX files that keep a tensor elsewhere: every place of it, every spelling of the path."""

from collections.abc import Callable
from typing import Any

from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    helper,
)

#: Where a file may say that values lie.
LOCATIONS = [
    "weights.bin", "./weights.bin", "../weights.bin", "a/../../weights.bin", "a/../weights.bin",
    "/etc/passwd", "/proc/self/environ", "//etc/passwd", "~/weights.bin", "a/b/c/weights.bin",
    "link.bin", "linked/weights.bin", "hard.bin", "..\\weights.bin", "C:\\weights.bin",
    "\\\\host\\share\\weights.bin", "file:///etc/passwd", "..%2fweights.bin", "weights.bin\0.onnx",
    "", ".", "..", "*/_ORT_MEM_ADDR_/*", "w" * 300, "\u202enib.sthgiew", "\uff0e\uff0e/weights.bin",
]  # fmt: skip


def tensor(location: str | None, *, name: str = "w") -> TensorProto:
    """Make a tensor of four doubles: in a file of its own, or here with None."""
    made = TensorProto(name=name, data_type=TensorProto.DOUBLE, dims=[1, 4])
    if location is None:
        made.double_data.extend([0.0, 1.0, 2.0, 3.0])
        made.data_location = TensorProto.DEFAULT
        return made
    made.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "32")):
        made.external_data.add(key=key, value=value)
    return made


def sparse(one: TensorProto, *, is_index: bool = False) -> SparseTensorProto:
    """Make a sparse tensor with a tensor for its values or its indices."""
    whole = tensor(None, name="rest")
    values, indices = (whole, one) if is_index else (one, whole)
    return SparseTensorProto(values=values, indices=indices, dims=[1, 4])


def graph(*nodes: NodeProto) -> GraphProto:
    """Make a graph that adds what is called w to its input."""
    return helper.make_graph(
        list(nodes) or [helper.make_node("Add", ["record", "w"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("record", TensorProto.DOUBLE, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 4])],
    )


def model(held: GraphProto) -> ModelProto:
    """Make a model of a graph."""
    made = helper.make_model(held, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return made


def _initializer(one: TensorProto) -> ModelProto:
    held = graph()
    held.initializer.append(one)
    return model(held)


def _sparse_values(one: TensorProto) -> ModelProto:
    held = graph()
    held.sparse_initializer.append(sparse(one))
    return model(held)


def _sparse_indices(one: TensorProto) -> ModelProto:
    held = graph()
    held.sparse_initializer.append(sparse(one, is_index=True))
    return model(held)


def _attribute(**held: Any) -> ModelProto:
    node = NodeProto(op_type="Constant", output=["w"])
    node.attribute.append(AttributeProto(name="value", **held))
    return model(graph(node, helper.make_node("Add", ["record", "w"], ["y"])))


def _within(op: str, attribute: str) -> Callable[[TensorProto], ModelProto]:
    def make(one: TensorProto) -> ModelProto:
        inner = graph()
        inner.initializer.append(one)
        node = NodeProto(op_type=op, input=["record"], output=["y"])
        node.attribute.append(AttributeProto(name=attribute, g=inner, type=AttributeProto.GRAPH))
        return model(graph(node))

    return make


def _deep(one: TensorProto) -> ModelProto:
    held = graph()
    held.initializer.append(one)
    for _ in range(20):
        node = NodeProto(op_type="If", input=["record"], output=["y"])
        node.attribute.append(AttributeProto(name="then_branch", g=held))
        held = graph(node)
    return model(held)


def _function(one: TensorProto) -> ModelProto:
    made = model(graph())
    node = NodeProto(op_type="Constant", output=["w"])
    node.attribute.append(AttributeProto(name="value", t=one))
    made.functions.add(name="f", domain="own").node.append(node)
    return made


def _function_default(one: TensorProto) -> ModelProto:
    made = model(graph())
    made.functions.add(name="f", domain="own").attribute_proto.append(
        AttributeProto(name="value", t=one)
    )
    return made


def _training(one: TensorProto) -> ModelProto:
    made = model(graph())
    made.training_info.add().initialization.initializer.append(one)
    return made


def _algorithm(one: TensorProto) -> ModelProto:
    made = model(graph())
    made.training_info.add().algorithm.initializer.append(one)
    return made


#: Where in a model the tensor may stand.
PLACES: dict[str, Callable[[TensorProto], ModelProto]] = {
    "initializer": _initializer,
    "sparse values": _sparse_values,
    "sparse indices": _sparse_indices,
    "attribute": lambda one: _attribute(t=one),
    "attribute list": lambda one: _attribute(tensors=[tensor(None), one]),
    "sparse attribute": lambda one: _attribute(sparse_tensor=sparse(one)),
    "sparse attribute list": lambda one: _attribute(sparse_tensors=[sparse(one, is_index=True)]),
    "graph list": lambda one: _attribute(graphs=[_initializer(one).graph]),
    "If": _within("If", "then_branch"),
    "else of If": _within("If", "else_branch"),
    "Loop": _within("Loop", "body"),
    "Scan": _within("Scan", "body"),
    "20 graphs deep": _deep,
    "function": _function,
    "default of a function": _function_default,
    "training": _training,
    "training algorithm": _algorithm,
}
