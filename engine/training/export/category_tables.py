"""Tables of what a graph computes from a category's words.

A table replaces a tensor whose every element depends on one word of one
category. It is made by running the part of the graph that computes the tensor
once for every word, and checked by running it again on other records.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from engine.runtime.onnx import open_session
from engine.schema.fields import Field

#: A category whose table would have more numbers is left to the graph, which is as
#: fast then: 300 words with a column each reach this.
MOST_NUMBERS = 100_000

#: The most numbers that are computed to make a table.
MOST_TRIED = 100 * MOST_NUMBERS

Words = Mapping[str, Sequence[str]]


class WordTable(NamedTuple):
    """A tensor of shape (n, \\*shape), by the columns of its flat form.

    The owner of a column is the category that decides it, by the name of the
    graph's input. The values of a column, of shape (n_words,), are by the code
    of the word. `shape` is that of one record's part.
    """

    owners: list[str]
    values: list[Any]
    shape: tuple[int, ...]

    def ones(self) -> list[float] | None:
        """Return the code for which each column is 1, if it is 0 for all other codes.

        A column that is never 1 gets -1, which no word has as its code.
        """
        if self.values[0].dtype == object:
            return None
        codes = []
        for column in self.values:
            rows = np.flatnonzero(_bits(column))
            if len(rows) > 1 or (len(rows) and column[rows[0]] != 1):
                return None
            codes.append(float(rows[0]) if len(rows) else -1.0)
        return codes


def tabulate(model: ModelProto, name: str, categories: Mapping[str, Field]) -> WordTable | None:
    """Make the table of a tensor whose every element depends on one word of one category.

    Words that a field rejects never occur; the table has zeros or empty text
    for them. Return None if the graph rejects a word that the field accepts,
    if the table would be too large, or if it is wrong for other records.

    Parameters
    ----------
    categories : mapping of str to Field
        The inputs that the tensor depends on.
    """
    words = {category: field.accepted_words for category, field in categories.items()}
    try:
        evaluate = _evaluator(model, name, list(words))
        first = evaluate({category: accepted[:1] for category, accepted in words.items()})
        if first.size * sum(map(len, words.values())) > MOST_TRIED:
            return None
        table = _word_by_word(evaluate, words, categories, first.shape[1:])
        is_right = table is not None and _is_right(table, evaluate, words, categories)
        return table if is_right else None
    except Exception:  # noqa: BLE001 - onnxruntime's errors share no base of their own
        return None


def used(node: NodeProto) -> list[str]:
    """List the tensors that a node reads, including those of its inner graphs."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            names += [name for child in inner.node for name in used(child)]
            names += [output.name for output in inner.output]
    return names


def _evaluator(model: ModelProto, name: str, inputs: list[str]) -> Callable[[Words], Any]:
    """Return a function that computes a tensor from words."""
    graph, needed = model.graph, {name}
    nodes: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.insert(0, node)
            needed.update(used(node))
    part = GraphProto(
        name="part",
        node=nodes,
        input=[helper.make_tensor_value_info(i, TensorProto.STRING, [None, 1]) for i in inputs],
        output=[ValueInfoProto(name=name)],
        initializer=[constant for constant in graph.initializer if constant.name in needed],
    )
    head = {"ir_version": model.ir_version, "opset_import": model.opset_import}
    session = open_session(ModelProto(graph=part, **head).SerializeToString())

    def evaluate(words: Words) -> Any:
        feeds = {i: np.array(words[i], dtype=object).reshape(-1, 1) for i in inputs}
        (values,) = session.run([name], feeds)
        if len(values) != len(words[inputs[0]]):
            raise ValueError(f"{name} has another number of rows than the records")
        return values

    return evaluate


def _word_by_word(
    evaluate: Callable[[Words], Any],
    words: Words,
    categories: Mapping[str, Field],
    shape: tuple[int, ...],
) -> WordTable | None:
    """Compute the tensor for every word of each category, the others at their first word."""
    rows = {
        category: [
            word
            for varied, accepted in words.items()
            for word in (accepted if varied == category else [words[category][0]] * len(accepted))
        ]
        for category in words
    }
    outputs = evaluate(rows)
    ends = np.cumsum([len(accepted) for accepted in words.values()])
    blocks = dict(zip(words, np.split(outputs.reshape(len(outputs), -1), ends[:-1]), strict=True))
    deciding: dict[int, str] = {}
    for category, block in blocks.items():
        for column in np.flatnonzero((_bits(block) != _bits(block[:1])).any(axis=0)):
            if deciding.setdefault(int(column), category) != category:
                return None
    first = next(iter(words))
    owners = [deciding.get(column, first) for column in range(blocks[first].shape[1])]
    if any(owners.count(category) * len(words[category]) > MOST_NUMBERS for category in words):
        return None
    values = [
        _by_code(blocks[category][:, column], words[category], categories[category])
        for column, category in enumerate(owners)
    ]
    return WordTable(owners, values, shape)


def _by_code(values: Any, accepted: Sequence[str], category: Field) -> Any:
    table = np.full(len(category.words), "" if values.dtype == object else 0, values.dtype)
    table[[int(category.word_codes[word]) for word in accepted]] = values
    return table


def _is_right(
    table: WordTable,
    evaluate: Callable[[Words], Any],
    words: Words,
    categories: Mapping[str, Field],
) -> bool:
    """Return whether the table is right for randomly drawn words, bit for bit."""
    draw = np.random.default_rng(0)
    count = 1 + min(1000, sum(map(len, words.values())))
    drawn = {
        name: draw.choice(np.array(accepted, object), count).tolist()
        for name, accepted in words.items()
    }
    codes = {
        name: [int(categories[name].word_codes[word]) for word in drawn[name]] for name in words
    }
    outputs = evaluate(drawn)
    pairs = zip(table.owners, table.values, strict=True)
    expected = np.stack([column[codes[owner]] for owner, column in pairs], axis=1)
    return outputs.shape[1:] == table.shape and np.array_equal(
        _bits(outputs.reshape(count, -1)), _bits(expected)
    )


def _bits(array: Any) -> Any:
    """Return numbers as their bits, so that NaN equals NaN and -0 differs from 0."""
    if array.dtype == object:
        return array
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")
