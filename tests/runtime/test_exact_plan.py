"""A plan gives the very answers of walks through the trees, whatever the shape of the trees."""

import math
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from engine.runtime.exact import ExactRuntime
from engine.schema import Number
from tests.runtime.exact_files import VECTOR, File, Member, Slot, Tree, leaf, stump

INF, NAN = math.inf, math.nan
#: Many are equal, and the ends of all numbers are among them.
THRESHOLDS = [-INF, -1e300, -2.0, -1.0, -0.0, 0.0, 5e-324, 0.5, 1.0, 1.0, 2.0, 1e300, INF]
SLOTS = [Slot(0), Slot(1, gap=NAN), Slot(2, gap=-INF)]

Shape = Callable[[random.Random, int], int]

#: Which of the open leaves, from the oldest to the newest, is split next.
SHAPES: dict[str, Shape] = {
    "any": lambda draw, count: draw.randrange(count),
    "level by level": lambda _, __: 0,
    "a chain to the right": lambda _, count: count - 1,
    "a chain to the left": lambda _, count: max(count - 2, 0),
    "a zigzag": lambda draw, count: max(count - 1 - draw.randrange(2), 0),
}


def grow(draw: random.Random, leaves: int, shape: Shape) -> Tree:
    """Make a tree with so many leaves."""
    nodes: list[Any] = [(draw.gauss(0, 1), 0, len(SLOTS), 0)]
    open_leaves, depth, depths = [0], 0, {0: 0}
    for _ in range(leaves - 1):
        at, left = open_leaves.pop(shape(draw, len(open_leaves))), len(nodes)
        nodes[at] = (draw.choice(THRESHOLDS), left, draw.randrange(len(SLOTS)), 0)
        for child in (left, left + 1):
            nodes.append((draw.gauss(0, 1), child, len(SLOTS), 0))
            open_leaves.append(child)
            depths[child] = depths[at] + 1
        depth = max(depth, depths[left])
    return Tree(nodes, depth)


def records(draw: random.Random, count: int) -> list[list[float]]:
    """Make records that meet the thresholds, lie beside them, or have gaps."""
    values = [*THRESHOLDS, NAN, 0.25, -1.5, 1.5, math.nextafter(1.0, INF)]
    return [[draw.choice(values) for _ in SLOTS] for _ in range(count)]


def walked(trees: Sequence[Tree], record: Sequence[float], *, is_single: bool = False) -> float:
    """Add up the leaves, as a walk in Python reaches them."""
    seen = [INF if math.isnan(record[0]) else record[0], record[1],
            -INF if math.isnan(record[2]) else record[2]]  # fmt: skip
    total = 0.1
    for tree in trees:
        at = 0
        while tree.nodes[at][1] != at:
            threshold, left, slot, _ = tree.nodes[at]
            at = left if seen[slot] <= threshold else left + 1  # type: ignore[operator]
        value: Any = tree.nodes[at][0]
        total = float(np.float32(total) + np.float32(value)) if is_single else total + value
    return total


def open_file(file: File) -> ExactRuntime:
    fields = [Number(name=f"x{place}", example=1.0) for place in range(file.n_fields)]
    return ExactRuntime(file.write(), fields, has_probabilities=True)


def is_planned(runtime: ExactRuntime, member: int = 0) -> bool:
    """Return whether a member is not walked."""
    return bool(struct.unpack_from("=I", runtime._plan.tobytes(), 64 * member)[0])


@pytest.mark.parametrize("is_single", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_planned_answers_have_the_bits_of_a_walk_in_python(shape: str, is_single: int) -> None:
    draw = random.Random(shape)  # noqa: S311
    for count in (16, 17, 33, 100):
        trees = [grow(draw, draw.choice((1, 2, 7, 31, 32)), SHAPES[shape]) for _ in range(count)]
        runtime = open_file(File(3, SLOTS, [Member(trees, is_single=is_single)], values=[0.1]))
        rows = records(draw, 67)

        expected = [walked(trees, row, is_single=bool(is_single)) for row in rows]

        assert is_planned(runtime)
        alone = [runtime.run_record(struct.pack("=3d", *row))[0] for row in rows]
        assert expected == alone
        assert expected == runtime.run_matrix(np.array(rows)).probabilities[:, 0].tolist()


def test_planned_leaves_add_vectors_and_to_several_outputs() -> None:
    draw = random.Random(0)  # noqa: S311
    for width in (1, 3):
        trees = [grow(draw, 20, SHAPES["any"]) for _ in range(40)]
        chosen = [[draw.randrange(4) for _ in tree.nodes] for tree in trees]
        vectors = [
            Tree([(test if left != at else float(width * (1 + places[at])), left, slot, 0)
                  for at, (test, left, slot, _) in enumerate(tree.nodes)], tree.depth, VECTOR)
            for tree, places in zip(trees, chosen, strict=True)
        ]  # fmt: skip
        scalars = [Tree(tree.nodes, tree.depth, at % width) for at, tree in enumerate(trees)]
        values = [draw.gauss(0, 1) for _ in range(5 * width)]
        member = Member([*vectors, *scalars], width=width, n_outputs=width)
        walks = Member([*vectors, *scalars, *[leaf(0.0, 3)] * 3000], width=width, n_outputs=width)
        rows = np.array(records(draw, 40))

        planned, other = (open_file(File(3, SLOTS, [each], values)) for each in (member, walks))

        assert [True, False] == [is_planned(runtime) for runtime in (planned, other)]
        answers = planned.run_matrix(rows).probabilities.tolist()
        assert other.run_matrix(rows).probabilities.tolist() == answers
        assert answers == [list(planned.run_record(row.tobytes())) for row in rows]


@pytest.mark.parametrize(
    "trees",
    [
        [grow(random.Random(1), 33, SHAPES["any"])] * 20,  # noqa: S311
        [grow(random.Random(1), 40, SHAPES["a chain to the right"])] * 20,  # noqa: S311
        [grow(random.Random(1), 31, SHAPES["any"])] * 15,  # noqa: S311
        [stump(0, 0.5, 1.0, 2.0, 3)] * 10 + [leaf(1.0, 3)] * 11,
        [leaf(1.0, 3)] * 20,
    ],
    ids=["33 leaves", "40 deep", "15 trees", "shallower than the slots", "no tests"],
)
def test_trees_that_are_too_large_few_or_shallow_are_walked(trees: list[Tree]) -> None:
    runtime = open_file(File(3, SLOTS, [Member(trees)], values=[0.1]))
    rows = records(random.Random(2), 40)  # noqa: S311

    assert not is_planned(runtime)
    expected = [walked(trees, row) for row in rows]
    assert expected == runtime.run_matrix(np.array(rows)).probabilities[:, 0].tolist()


def test_members_are_planned_one_by_one() -> None:
    draw = random.Random(3)  # noqa: S311
    small, large = ([grow(draw, leaves, SHAPES["any"]) for _ in range(30)] for leaves in (9, 50))
    members = [Member(small), Member(large), Member(terms=[(0, 1)]), Member(small[::-1])]
    runtime = open_file(File(3, SLOTS, members, values=[0.1, 2.0], combine=1))
    rows = [[abs(value) % 3 for value in row] for row in records(draw, 50)]
    rows = [[1.0 if math.isnan(value) else value for value in row] for row in rows]

    expected = [
        0.0 + walked(small, row) + walked(large, row) + (row[0] * 2.0 + 0.1)
        + walked(small[::-1], row) for row in rows
    ]  # fmt: skip

    assert [True, False, False, True] == [is_planned(runtime, place) for place in range(4)]
    assert expected == [runtime.run_record(struct.pack("=3d", *row))[0] for row in rows]
    assert expected == runtime.run_matrix(np.array(rows)).probabilities[:, 0].tolist()


def test_a_node_with_two_parents_is_planned_as_it_is_walked() -> None:
    shared = Tree([(0.5, 1, 0, 0), (0.0, 3, 1, 0), (1.0, 3, 1, 0), (2.0, 5, 2, 0), (-1.0, 5, 2, 0),
                   (10.0, 5, 3, 0), (20.0, 6, 3, 0)], depth=3)  # fmt: skip
    trees = [shared] * 20
    runtime = open_file(File(3, SLOTS, [Member(trees)], values=[0.1]))
    rows = records(random.Random(4), 60)  # noqa: S311

    assert is_planned(runtime)
    expected = [walked(trees, row) for row in rows]
    assert expected == runtime.run_matrix(np.array(rows)).probabilities[:, 0].tolist()


def test_a_node_with_ever_more_ways_to_it_takes_no_time_to_refuse() -> None:
    nodes: list[Any] = [(0.5, 1, 0, 0)]
    for left in range(3, 63, 2):
        nodes += [(0.5, left, left % 3, 0), (-0.5, left, left % 3, 0)]
    tree = Tree([*nodes, (1.0, 61, 3, 0), (2.0, 62, 3, 0)], depth=31)

    runtime = open_file(File(3, SLOTS, [Member([tree] * 20)], values=[0.1]))

    assert not is_planned(runtime)
    answers = runtime.run_record(struct.pack("=3d", 0.0, 1.0, 2.0))
    assert walked([tree] * 20, [0.0, 1.0, 2.0]) == answers[0]
