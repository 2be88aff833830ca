"""The exact runtime gives the answers that a file says, number by number."""

import math
import random
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from engine.runtime.exact import ExactRuntime
from engine.schema import Number
from persistence.store_errors import UntrustedArtifact
from tests.runtime.exact_files import (
    EXP,
    EXPM1,
    MUL_ADD,
    ONE_VS_REST,
    PRESENCE,
    SIGMOID,
    SIGMOIDS,
    SOFTMAX,
    SOFTMAX_OF_TWO,
    SUB_DIV,
    TABLE,
    VECTOR,
    File,
    Member,
    Slot,
    Tree,
    leaf,
    stump,
)

INF, NAN = math.inf, math.nan


def _single(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def open_file(file: File, **options: Any) -> ExactRuntime:
    """Open a file whose fields are all numbers."""
    fields = [Number(name=f"x{place}", example=1.0) for place in range(file.n_fields)]
    return ExactRuntime(file.write(), fields, **{"has_probabilities": False} | options)


def answers(file: File, *records: Sequence[float]) -> list[list[float]]:
    """Answer records one by one, and see that they are answered alike together."""
    runtime = open_file(file, has_probabilities=True)
    alone = [list(runtime.run_record(struct.pack(f"={len(r)}d", *r))) for r in records]
    together = runtime.run_matrix(np.array(list(records) * 20)).probabilities.tolist()
    assert repr(alone * 20) == repr(together)
    return alone


def test_leaves_are_added_to_the_base_and_divided_where_there_are_trees() -> None:
    slots = [Slot(0), Slot(1, gap=-INF)]
    trees = [stump(0, 1.5, 10.0, 20.0, 2), stump(1, 0.0, 1.0, 2.0, 2)]
    file = File(2, slots, [Member(trees, divisor=2.0)], values=[100.0])

    assert [[56.0], [60.5], [60.5], [60.5]] == answers(
        file, (1.5, 0.5), (2.0, NAN), (NAN, 0.0), (INF, -INF)
    )


@pytest.mark.parametrize(
    ("slot", "value", "seen"),
    [
        (Slot(0, gap=7.0), 3.25, 3.25),
        (Slot(0, gap=7.0), NAN, 7.0),
        (Slot(0, TABLE, gap=7.0, table=[5.0, 6.0]), 1.0, 6.0),
        (Slot(0, TABLE, gap=7.0, table=[5.0, 6.0]), 0.0, 5.0),
        (Slot(0, TABLE, gap=7.0, table=[5.0, 6.0]), 2.0, 7.0),
        (Slot(0, TABLE, gap=7.0, table=[5.0, 6.0]), -1.0, 7.0),
        (Slot(0, TABLE, gap=7.0, table=[5.0, 6.0]), NAN, 7.0),
        (Slot(0, TABLE, gap=7.0, table=[5.0, 6.0]), 1e300, 7.0),
        (Slot(0, TABLE, gap=7.0), 0.0, 7.0),
        (Slot(0, SUB_DIV, gap=7.0, shift=1.0, scale=3.0), 2.0, (2.0 - 1.0) / 3.0),
        (Slot(0, SUB_DIV, gap=7.0, shift=1.0, scale=3.0), NAN, 2.0),
        (Slot(0, MUL_ADD, gap=7.0, shift=0.1, scale=3.3), 2.1, 2.1 * 3.3 + 0.1),
        (Slot(0, MUL_ADD, gap=7.0, shift=1.0, scale=3.0), NAN, 22.0),
        (Slot(0, PRESENCE, gap=1.0, shift=0.0), NAN, 1.0),
        (Slot(0, PRESENCE, gap=1.0, shift=0.0), 5.0, 0.0),
        (Slot(0, gap=NAN), NAN, NAN),
    ],
)
def test_a_slot_shows_a_value_as_its_kind_says(slot: Slot, value: float, seen: float) -> None:
    file = File(1, [slot], [Member(terms=[(0, 1)])], values=[0.0, 1.0])

    assert repr([[seen]]) == repr(answers(file, (value,)))


def test_terms_are_added_in_order_and_the_base_last() -> None:
    terms = [(0, 2), (1, 4), (2, 6)]
    values = [0.1, 0.2, 1e16, 1.0, 1.0, 2.0, -1e16, 3.0]
    file = File(3, [Slot(0), Slot(1), Slot(2)], [
        Member(terms=terms, width=2, n_outputs=2, first_base=0)
    ], values)  # fmt: skip

    first = 0.0 + 1.5 * 1e16 + 2.5 * 1.0 + 1.5 * -1e16 + 0.1
    assert [[first, 1.5 + 5.0 + 4.5 + 0.2]] == answers(file, (1.5, 2.5, 1.5))


@pytest.mark.parametrize(
    ("link", "sums", "expected"),
    [
        (SIGMOID, [0.7], [1 - 1 / (1 + math.exp(-0.7)), 1 / (1 + math.exp(-0.7))]),
        (SIGMOID, [-800.0], [1.0, 0.0]),
        (SOFTMAX_OF_TWO, [0.7], [1 / (1 + math.exp(1.4)), 1 / (1 + math.exp(-1.4))]),
        (SOFTMAX_OF_TWO, [900.0], [0.0, 1.0]),
        (EXP, [0.7], [math.exp(0.7)]),
        (EXPM1, [1e-9], [math.expm1(1e-9)]),
        (SOFTMAX, [1000.0, 1000.0, -1000.0], [0.5, 0.5, 0.0]),
        (SOFTMAX, [0.0, math.log(3.0)], [0.25, 0.75]),
        (ONE_VS_REST, [0.0, 0.0, math.log(3.0)], [0.5 / 1.75, 0.5 / 1.75, 0.75 / 1.75]),
        (SIGMOIDS, [0.0, math.log(3.0), -800.0], [0.5, 0.75, 0.0]),
    ],
)
def test_a_link_turns_sums_into_outputs(
    link: int, sums: list[float], expected: list[float]
) -> None:
    width, n_outputs = len(sums), len(expected)
    file = File(1, [Slot(0)], [Member(link=link, width=width, n_outputs=n_outputs)], sums)

    assert expected == pytest.approx(answers(file, (1.0,))[0], rel=4e-16, abs=0)


@pytest.mark.parametrize(
    ("link", "sums", "expected"),
    [
        (SIGMOID, [0.75], [1 - 1 / (1 + math.exp(-0.75)), 1 / (1 + math.exp(-0.75))]),
        (SIGMOID, [-200.0], [1.0, math.exp(-_single(88.7))]),
        (SIGMOIDS, [0.75, -0.75], [1 / (1 + math.exp(-0.75)), 1 / (1 + math.exp(0.75))]),
        (SOFTMAX, [2.0, 0.75], [1 / (1 + math.exp(-1.25)), 1 / (1 + math.exp(1.25))]),
        (EXP, [0.75], [math.exp(0.75)]),
    ],
)
def test_links_of_a_single_member_are_computed_in_floats(
    link: int, sums: list[float], expected: list[float]
) -> None:
    member = Member(link=link, width=len(sums), n_outputs=len(expected), is_single=1)

    (outputs,) = answers(File(1, [Slot(0)], [member], sums), (1.0,))

    assert outputs == pytest.approx(expected, rel=1e-6, abs=0)
    assert outputs == list(map(_single, outputs))


def test_members_are_weighed_and_their_sum_is_divided() -> None:
    members = [
        Member([leaf(0.3, 1)], weight=0.1),
        Member([leaf(0.7, 1)], weight=2.0),
        Member([leaf(5.0, 1)], weight=-1.5),
    ]
    file = File(1, [Slot(0)], members, combine=1, divisor=0.6)

    assert [[(0.1 * 0.3 + 2.0 * 0.7 - 1.5 * 5.0) / 0.6]] == answers(file, (1.0,))


def test_a_leaf_adds_its_vector_or_its_value_to_one_output() -> None:
    vectors = Tree([(1.0, 1, 0, 0), (3.0, 1, 1, 0), (6.0, 2, 1, 0)], 1, VECTOR)
    file = File(1, [Slot(0)], [Member([vectors, leaf(0.5, 1, output=2)], width=3, n_outputs=3)],
                [0.0, 0.25, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])  # fmt: skip

    assert [[1.0, 2.25, 3.5], [4.0, 5.25, 6.5]] == answers(file, (1.0,), (2.0,))


def test_sums_of_a_single_member_are_rounded_to_floats() -> None:
    trees = [leaf(1e8, 1), leaf(1.0, 1), leaf(1.0, 1)]

    assert [[1e8]] == answers(File(1, [Slot(0)], [Member(trees, is_single=1)]), (0.0,))
    assert [[1e8 + 2]] == answers(File(1, [Slot(0)], [Member(trees)]), (0.0,))


def test_a_set_sends_its_codes_to_the_left() -> None:
    asks = ((1, 70), 1, 0, 1)
    tree = Tree([asks, (-1.0, 1, 1, 0), (1.0, 2, 1, 0)], depth=1)
    file = File(1, [Slot(0, gap=NAN)], [Member([tree], has_sets=1)],
                sets=[2**64 - 1, 1 << 3, (1 << 5) | (1 << 6)])  # fmt: skip
    records = [(code,) for code in (3.0, 4.0, 69.0, 70.0, 68.0, -3.0, NAN, INF, -INF, 1e300)]

    assert [[-1.0], [1.0], [-1.0], *[[1.0]] * 7] == answers(file, *records)


@pytest.mark.parametrize("classes", [["no", "yes"], [False, True]])
def test_labels_of_two_classes_follow_the_sign_of_the_margin(classes: list[Any]) -> None:
    file = File(1, [Slot(0, gap=NAN)], [Member(terms=[(0, 1)])], values=[0.0, 1.0])
    runtime = open_file(file, classes=classes)

    outputs = runtime.run({"x0": [0.5, 0.0, -0.5, NAN]})

    assert [classes[1], classes[0], classes[0], None] == outputs.values.tolist()
    assert [0.5, 0.0, -0.5] == runtime.margins({"x0": [0.5, 0.0, -0.5]}).tolist()


def test_the_label_of_several_classes_has_the_largest_margin_the_first_on_a_tie() -> None:
    member = Member(terms=[(0, 0), (1, 3)], width=3, n_outputs=3, first_base=6)
    file = File(2, [Slot(0), Slot(1)], [member], [1.0, 0, 0, 0, 1.0, 0, 0, 0, 0.5])
    runtime = open_file(file, classes=["a", "b", "c"])

    outputs = runtime.run({"x0": [0.0, 2.0, 1.0], "x1": [0.0, 2.0, 3.0]})

    assert ["c", "a", "b"] == outputs.values.tolist()
    assert [2.0, 2.0, 0.5] == runtime.margins({"x0": [2.0], "x1": [2.0]})[0].tolist()


def test_one_record_has_the_bits_of_a_batch_and_of_python_for_any_number_of_rows() -> None:
    forest = Forest(trees=37, fields=6)
    runtime = open_file(forest.file)
    rows = np.array([forest.record() for _ in range(70)])
    expected = [forest.answer(row) for row in rows.tolist()]

    assert expected == [runtime.run_record(row.tobytes())[0] for row in rows]
    for size in range(1, 71):
        assert expected[:size] == runtime.run_matrix(rows[:size]).values.tolist()
    assert expected == runtime.run_matrix(np.asfortranarray(rows)).values.tolist()
    assert expected[::-1] == runtime.run_matrix(rows[::-1]).values.tolist()
    many = np.repeat(rows, 40, axis=0)
    assert np.repeat(expected, 40).tolist() == runtime.run_matrix(many).values.tolist()


def test_threads_get_their_own_answers_from_one_runtime() -> None:
    forest = Forest(trees=20, fields=6)
    runtime = open_file(forest.file)
    rows = np.array([forest.record() for _ in range(64)])
    expected = [forest.answer(row) for row in rows.tolist()]
    start = Barrier(8)

    def ask(thread: int) -> list[float]:
        start.wait()
        places = [(place + 8 * thread) % 64 for place in range(64)] * 5
        alone = [(place, runtime.run_record(rows[place].tobytes())[0]) for place in places]
        together = runtime.run_matrix(np.tile(rows, (4, 1))).values.tolist()
        return [value - expected[place] for place, value in alone] + [
            value - wanted for value, wanted in zip(together, expected * 4, strict=True)
        ]

    with ThreadPoolExecutor(8) as pool:
        differences = [list(pool.map(ask, range(8)))]

    assert not np.any(differences)


def test_a_record_of_another_size_is_refused() -> None:
    runtime = open_file(File(2, [Slot(1)], [Member([leaf(1.0, 1)])]))

    with pytest.raises(ValueError, match="a record has 16 bytes, got 8"):
        runtime.run_record(bytes(8))


def test_a_file_of_other_fields_than_the_card_is_refused() -> None:
    content = File(2, [Slot(1)], [Member([leaf(1.0, 1)])]).write()

    with pytest.raises(UntrustedArtifact, match=r"takes 2 fields, the card has 1"):
        ExactRuntime(content, [Number(name="x", example=1.0)], has_probabilities=False)


class Forest:
    """Made-up trees, and their answers as Python computes them."""

    def __init__(self, *, trees: int, fields: int) -> None:
        self._random = random.Random(trees)  # noqa: S311
        self._fields = fields
        self.trees = [self._tree(self._random.randrange(7)) for _ in range(trees)]
        slots = [Slot(place) for place in range(fields)]
        self.file = File(fields, slots, [Member(self.trees, divisor=3.0)], values=[0.1])

    def record(self) -> list[float]:
        return [self._random.gauss(0, 1) for _ in range(self._fields)]

    def answer(self, record: Sequence[float]) -> float:
        total = 0.1
        for tree in self.trees:
            at = 0
            while tree.nodes[at][1] != at:
                threshold, left, slot, _ = tree.nodes[at]
                assert isinstance(threshold, float)
                at = left if record[slot] <= threshold else left + 1
            total += tree.nodes[at][0]  # type: ignore[operator]
        return total / 3.0

    def _tree(self, depth: int) -> Tree:
        nodes: list[Any] = [None]
        pending = [(0, 0)]
        deepest = 0
        while pending:
            place, level = pending.pop(0)
            deepest = max(deepest, level)
            if level == depth or (level and self._random.random() < 0.3):
                nodes[place] = (self._random.gauss(0, 1), place, self._fields, 0)
                continue
            slot, left = self._random.randrange(self._fields), len(nodes)
            nodes[place] = (self._random.gauss(0, 1), left, slot, 0)
            nodes += [None, None]
            pending += [(left, level + 1), (left + 1, level + 1)]
        return Tree(nodes, deepest)
