"""Rewrite an exported graph to take whole records, as rows of doubles.

skl2onnx gives a graph one input per field, and text for categories. Making
and reading such tensors takes longer than most models take. The packed graph
has one input of shape (n, n_fields), where a category is a code
(`engine.schema.record_schema`). Numbers are gathered from it; what the graph
computes from words becomes a table (`engine.training.export.category_tables`).
"""

from collections.abc import Mapping, Sequence
from itertools import count, groupby
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, helper
from onnx.numpy_helper import from_array

from engine.runtime.onnx import RECORD
from engine.schema.fields import Field
from engine.training.export.category_tables import WordTable, tabulate, used
from engine.training.export.inputs import input_name

#: Operators of which each output element depends on one input element.
_ELEMENTWISE = {
    "Add", "ArrayFeatureExtractor", "Cast", "Concat", "Div", "Equal", "Flatten", "Gather",
    "Identity", "LabelEncoder", "Mul", "Not", "OneHotEncoder", "Reshape", "Scaler", "Slice",
    "Split", "Squeeze", "Sub", "Unsqueeze", "Where",
}  # fmt: skip


def packed(model: ModelProto, fields: Sequence[Field]) -> ModelProto:
    """Return an equal graph with one input, ``record``.

    The old graph has the inputs of `engine.training.export.inputs`: text for a category, doubles
    for the others. The fields are in the order of the new input's columns.
    """
    new = ModelProto()
    new.CopyFrom(model)
    graph = new.graph
    if [tensor.name for tensor in graph.input] == [RECORD]:
        return new
    front = _Front(new, {input_name(place): place for place in range(len(fields))}, fields)
    nodes: list[NodeProto] = []
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        outputs = [name for name in node.output if name in needed]
        if outputs and not front.replaces(outputs) and not front.gathers(node):
            nodes.append(front.with_gathered_runs(node))
            needed.update(used(nodes[-1]))
    for tensor in graph.input:
        if tensor.name in needed:
            front.take_out(tensor.name)
    record = helper.make_tensor_value_info(RECORD, TensorProto.DOUBLE, [None, len(fields)])
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.input[:], graph.initializer[:], graph.value_info[:]
    graph.input.append(record)
    graph.initializer.extend([*front.constants, *constants])
    graph.node.extend([*front.nodes, *reversed(nodes)])
    if all(tensor.domain for tensor in new.opset_import):
        new.opset_import.append(helper.make_opsetid("", 13))
    checker.check_model(new)
    return new


class _Front:
    """The first nodes, which compute from ``record`` what the other nodes read.

    The old graph is only read. `places` has the column of each of its inputs.
    """

    def __init__(
        self, model: ModelProto, places: Mapping[str, int], fields: Sequence[Field]
    ) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._model = ModelProto()
        self._model.CopyFrom(model)
        self._places = places
        self._categories = {
            name: fields[place] for name, place in places.items() if fields[place].words
        }
        self._taken = {RECORD, *_names(model.graph)}
        self._origins = _origins(model.graph)
        self._by_word = _by_word(model.graph, self._origins, set(self._categories))

    def replaces(self, names: list[str]) -> bool:
        """Replace tensors by look-ups in tables, if that is possible for all of them."""
        if not self._by_word.issuperset(names):
            return False
        tables = {}
        for name in names:
            origins = self._origins[name]
            categories = {key: field for key, field in self._categories.items() if key in origins}
            table = tabulate(self._model, name, categories)
            if table is None:
                return False
            tables[name] = table
        for name, table in tables.items():
            self._look_up(table, name)
        return True

    def gathers(self, node: NodeProto) -> bool:
        """Gather the output of a node that only joins numbers of the record."""
        names = node.input if _joins_columns(node) else ()
        if not names or not all(map(self._is_number, names)):
            return False
        self._gather(list(names), node.output[0])
        return True

    def with_gathered_runs(self, node: NodeProto) -> NodeProto:
        """Return the node with neighbouring numbers of the record as one input."""
        if not _joins_columns(node):
            return node
        changed = NodeProto()
        changed.CopyFrom(node)
        del changed.input[:]
        for is_number, run in groupby(node.input, self._is_number):
            names = list(run)
            changed.input.extend([self._gather(names)] if is_number and names[1:] else names)
        return changed

    def take_out(self, name: str) -> None:
        """Compute one of the old inputs from its column."""
        if self._is_number(name):
            self._gather([name], name)
        else:
            text = np.array(self._categories[name].words, dtype=object)
            self._look_up(WordTable([name], [text], (1,)), name)

    def _is_number(self, name: str) -> bool:
        return name in self._places and name not in self._categories

    def _look_up(self, table: WordTable, output: str) -> None:
        gathered = self._gather(table.owners)
        codes = table.ones()
        if codes is not None:
            is_one = self._node("Equal", gathered, self._constant("code", np.array(codes)))
            kind = helper.np_dtype_to_tensor_dtype(table.values[0].dtype)
            self._node("Cast", is_one, to=kind)
        else:
            starts = np.cumsum([0, *(len(column) for column in table.values[:-1])])
            if len(starts) > 1:
                first = self._constant("start", starts.astype(np.float64))
                gathered = self._node("Add", gathered, first)
            row = self._node("Cast", gathered, to=TensorProto.INT64)
            values = self._constant("table", np.concatenate(table.values))
            self._node("Gather", values, row, axis=0)
        if table.shape != (len(table.owners),):
            shape = self._constant("shape", np.array([-1, *table.shape]))
            self._node("Reshape", self.nodes[-1].output[0], shape)
        self.nodes[-1].output[0] = output

    def _gather(self, names: list[str], output: str = "") -> str:
        columns = [self._places[name] for name in names]
        if columns == list(range(len(self._places))):
            # onnxruntime removes this node when it loads the graph.
            return self._node("Identity", RECORD, output=output)
        indices = self._constant("columns", np.array(columns))
        return self._node("Gather", RECORD, indices, output=output, axis=1)

    def _node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or self._name(kind.lower())
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _constant(self, word: str, values: Any) -> str:
        name = self._name(word)
        self.constants.append(from_array(values, name))
        return name

    def _name(self, word: str) -> str:
        names = (f"{word}_{number}" for number in count())
        name = next(name for name in names if name not in self._taken)
        self._taken.add(name)
        return name


def _names(graph: GraphProto) -> set[str]:
    """Return the names of all tensors of a graph."""
    names = {tensor.name for tensor in (*graph.input, *graph.initializer)}
    return names | {name for node in graph.node for name in (*node.output, *used(node))}


def _origins(graph: GraphProto) -> dict[str, set[str]]:
    """Map each tensor to the inputs that it depends on; constants are left out."""
    origins_by_tensor = {tensor.name: {tensor.name} for tensor in graph.input}
    for node in graph.node:
        if origins := set().union(*(origins_by_tensor.get(name, ()) for name in used(node))):
            origins_by_tensor.update(dict.fromkeys(node.output, origins))
    return origins_by_tensor


def _by_word(graph: GraphProto, origins: Mapping[str, set[str]], categories: set[str]) -> set[str]:
    """Return the tensors whose every element depends on one word of one category."""
    tensors = set(categories)
    for node in graph.node:
        varying = [name for name in used(node) if name in origins]
        if not varying or not origins[node.output[0]] <= categories:
            continue
        is_alone = len(varying) == 1 or node.op_type == "Concat"
        is_moved = is_alone and node.op_type in _ELEMENTWISE and tensors.issuperset(varying)
        if is_moved or len(origins[node.output[0]]) == 1:
            tensors.update(node.output)
    return tensors


def _joins_columns(node: NodeProto) -> bool:
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    return node.op_type == "Concat" and axes[0] in (1, -1)
