"""What a graph makes of a category's words, found out once for every word.

A table stands for a tensor whose every element depends on one word of one
category. It is made by running the part of the graph that computes the tensor,
and run again on other records to see that it holds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from engine.runtime.onnx import open_session
from engine.schema.fields import Field

#: A category whose table would hold more numbers is left to the graph, which is
#: then as fast: for a word of 300, one column each.
MOST_NUMBERS = 100_000

#: No more numbers than this are computed to find a table.
MOST_TRIED = 100 * MOST_NUMBERS

Words = Mapping[str, Sequence[str]]


class WordTable(NamedTuple):
    """A tensor of shape (n, \\*shape), by the columns of its flat form.

    Attributes
    ----------
    owners : list of str
        The category that decides each column, as the graph calls it.
    values : list of ndarray of shape (n_words,)
        What each column holds, by the code of the word.
    shape : tuple of int
        That of one record.
    """

    owners: list[str]
    values: list[Any]
    shape: tuple[int, ...]

    def ones(self) -> list[float] | None:
        """Give the code for which each column is one, if each is zero for all others.

        A column that is never one has -1, the code of no word.
        """
        if self.values[0].dtype == object:
            return None
        found = []
        for column in self.values:
            places = np.flatnonzero(_bits(column))
            if len(places) > 1 or (len(places) and column[places[0]] != 1):
                return None
            found.append(float(places[0]) if len(places) else -1.0)
        return found


def tabulate(model: ModelProto, name: str, categories: Mapping[str, Field]) -> WordTable | None:
    """Find the table of a tensor.

    Parameters
    ----------
    name : str
        A tensor whose every element depends on one word of one category.
    categories : mapping of str to Field
        The inputs that it depends on. Words that a field refuses never come;
        the table has zeros or empty text for them.

    Returns
    -------
    WordTable or None
        None when the graph refuses a word that the field accepts, when the
        table would be too large, or when it does not hold for other records.
    """
    known = {one: category.accepted_words for one, category in categories.items()}
    try:
        evaluate = _evaluator(model, name, list(known))
        first = evaluate({one: accepted[:1] for one, accepted in known.items()})
        if first.size * sum(map(len, known.values())) > MOST_TRIED:
            return None
        table = _word_by_word(evaluate, known, categories, first.shape[1:])
        if table is None or not _holds(table, evaluate, known, categories):
            return None
    except Exception:  # noqa: BLE001 - onnxruntime's errors share no base of their own
        return None
    return table


def used(node: NodeProto) -> list[str]:
    """Name the tensors that a node reads, those of its inner graphs among them."""
    found = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            found += [name for one in inner.node for name in used(one)]
            found += [output.name for output in inner.output]
    return found


def _evaluator(model: ModelProto, name: str, inputs: list[str]) -> Callable[[Words], Any]:
    """Make what gives a tensor for words."""
    graph, needed = model.graph, {name}
    nodes: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.insert(0, node)
            needed.update(used(node))
    part = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    part.graph.CopyFrom(
        GraphProto(
            name="part",
            node=nodes,
            input=[
                helper.make_tensor_value_info(one, TensorProto.STRING, [None, 1]) for one in inputs
            ],
            output=[ValueInfoProto(name=name)],
            initializer=[one for one in graph.initializer if one.name in needed],
        )
    )
    session = open_session(part.SerializeToString())

    def evaluate(asked: Words) -> Any:
        feeds = {one: np.array(asked[one], dtype=object).reshape(-1, 1) for one in inputs}
        (found,) = session.run([name], feeds)
        if len(found) != len(asked[inputs[0]]):
            raise ValueError(f"{name} has another number of rows than the records")
        return found

    return evaluate


def _word_by_word(
    evaluate: Callable[[Words], Any],
    known: Words,
    categories: Mapping[str, Field],
    shape: tuple[int, ...],
) -> WordTable | None:
    """Try every word of every category, the others at their first word."""
    rows = {
        one: [
            word
            for tried, accepted in known.items()
            for word in (accepted if tried == one else [known[one][0]] * len(accepted))
        ]
        for one in known
    }
    found = evaluate(rows)
    ends = np.cumsum([len(accepted) for accepted in known.values()])
    blocks = dict(zip(known, np.split(found.reshape(len(found), -1), ends[:-1]), strict=True))
    decided: dict[int, str] = {}
    for one, block in blocks.items():
        for column in np.flatnonzero((_bits(block) != _bits(block[:1])).any(axis=0)):
            if decided.setdefault(int(column), one) != one:
                return None
    any_one = next(iter(known))
    owners = [decided.get(column, any_one) for column in range(blocks[any_one].shape[1])]
    if any(owners.count(one) * len(known[one]) > MOST_NUMBERS for one in known):
        return None
    values = [
        _by_code(blocks[one][:, column], known[one], categories[one])
        for column, one in enumerate(owners)
    ]
    return WordTable(owners, values, shape)


def _by_code(values: Any, accepted: Sequence[str], category: Field) -> Any:
    table = np.full(len(category.words), "" if values.dtype == object else 0, values.dtype)
    table[[int(category.word_codes[word]) for word in accepted]] = values
    return table


def _holds(
    table: WordTable,
    evaluate: Callable[[Words], Any],
    known: Words,
    categories: Mapping[str, Field],
) -> bool:
    """Tell whether the table is right for words drawn at random, bit for bit."""
    draw = np.random.default_rng(0)
    count = 1 + min(1000, sum(map(len, known.values())))
    asked = {one: draw.choice(np.array(known[one], object), count).tolist() for one in known}
    codes = {one: category.word_codes for one, category in categories.items()}
    places = {one: [int(codes[one][word]) for word in asked[one]] for one in known}
    found = evaluate(asked)
    expected = np.stack(
        [column[places[one]] for one, column in zip(table.owners, table.values, strict=True)],
        axis=1,
    )
    return found.shape[1:] == table.shape and np.array_equal(
        _bits(found.reshape(count, -1)), _bits(expected)
    )


def _bits(array: Any) -> Any:
    """Give numbers as their bits, so that gaps equal gaps and -0 is not 0."""
    if array.dtype == object:
        return array
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")
