"""A file that breaks one rule of the exact runtime is refused, and told which."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.runtime.exact import BROKEN_RULES, ExactRuntime
from engine.schema import Number
from persistence.store_errors import UntrustedArtifact
from tests.runtime.exact_files import (
    HOUR,
    SIGMOID,
    SINCE,
    SOFTMAX_OF_TWO,
    SUB_DIV,
    TABLE,
    VECTOR,
    File,
    Member,
    Slot,
    Tree,
    leaf,
)

NAN, INF = math.nan, math.inf
NODES: list[tuple[float | tuple[int, int], int, int, int]] = [
    (0.5, 1, 0, 0),
    ((0, 65), 3, 1, 1), (1.0, 2, 2, 0),
    (2.0, 3, 2, 0), (3.0, 4, 2, 0),
]  # fmt: skip
TREE = Tree(NODES, depth=2)
SLOTS = (Slot(0), Slot(1, TABLE, gap=NAN, table=[0.0, 64.0, INF]))
TREES = Member([TREE, leaf(4.0, 2)], has_sets=1)
TERMS = Member(terms=[(0, 1), (1, 2)])
SOUND = File(2, SLOTS, [TREES, TERMS], values=[0.0, 1.0, 2.0], sets=[1, 2], combine=1)
VECTORS = File(2, SLOTS, [replace(TREES, width=2, n_outputs=2, trees=[
    replace(TREE, nodes=[*NODES[:2], (1.0, 2, 2, 0), (0.0, 3, 2, 0), (1.0, 4, 2, 0)],
            output=VECTOR)])], values=[0.0, 1.0, 2.0], sets=[1, 2])  # fmt: skip


def slots(place: int = 0, **changes: Any) -> File:
    changed = list(SLOTS)
    changed[place] = replace(changed[place], **changes)
    return replace(SOUND, slots=changed)


def terms(*changed: tuple[int, int], **changes: Any) -> File:
    member = replace(TERMS, terms=changed or TERMS.terms, **changes)
    return replace(SOUND, members=[TREES, member])


def tree(**changes: Any) -> File:
    return SOUND.with_member(trees=[replace(TREE, **changes), leaf(4.0, 2)])


def node(place: int, changed: tuple[Any, int, int, int], file: File = SOUND) -> File:
    first = file.members[0].trees[0]
    nodes: Sequence[Any] = [*first.nodes[:place], changed, *first.nodes[place + 1 :]]
    return file.with_member(trees=[replace(first, nodes=nodes), *file.members[0].trees[1:]])


def counts(**changed: int) -> File:
    return replace(SOUND, counts=changed)


BROKEN: list[tuple[int, File]] = [
    (2, replace(SOUND, magic=b"exact 2\n")),
    (3, counts(n_fields=0)),
    (3, counts(n_slots=65535)),
    (3, counts(n_members=0)),
    (3, counts(n_outputs=0)),
    (3, counts(n_outputs=1001)),
    (3, replace(SOUND, combine=2)),
    (3, replace(SOUND, combine=0)),
    (3, replace(SOUND, reserved=1)),
    *((3, replace(SOUND, divisor=divisor)) for divisor in (0.0, NAN, INF)),
    (4, counts(n_nodes=5)),
    (4, counts(n_nodes=7)),
    (4, counts(n_values=2**32 - 1)),
    (4, counts(n_nodes=6 + 2**28, n_tables=3 - 2**29 + 2**32)),  # it wraps around at 2 ** 32
    (5, slots(field=2)),
    (5, slots(kind=11)),
    (5, slots(kind=SINCE, first_table=2)),
    (5, slots(kind=SINCE, first_table=1, scale=0.0)),
    (6, slots(kind=HOUR, table=[1.0], first_table=9)),
    (5, slots(shift=INF)),
    (5, slots(scale=NAN)),
    (5, slots(kind=SUB_DIV, scale=0.0)),
    (5, slots(reserved=1.0)),
    (5, slots(1, kind=0)),
    (6, slots(1, first_table=1)),
    (6, replace(SOUND, unused_tables=[1.0])),
    (7, SOUND.with_member(kind=2)),
    (7, SOUND.with_member(link=8)),
    (7, SOUND.with_member(width=0)),
    (7, SOUND.with_member(width=1001)),
    (7, SOUND.with_member(is_single=2)),
    (7, SOUND.with_member(has_sets=2)),
    (7, SOUND.with_member(reserved=1)),
    *((7, SOUND.with_member(divisor=divisor)) for divisor in (0.0, NAN, INF)),
    *((7, SOUND.with_member(weight=weight)) for weight in (NAN, INF)),
    (8, SOUND.with_member(link=SIGMOID)),
    (8, replace(SOUND.with_member(width=2), values=[0.0] * 3)),
    (8, replace(VECTORS, n_outputs=1)),
    *((8, VECTORS.with_member(link=link)) for link in (SIGMOID, SOFTMAX_OF_TWO)),
    (9, SOUND.with_member(first_base=3)),
    (9, SOUND.with_member(first_base=2**32 - 1)),
    (10, SOUND.with_member(kind=1)),
    (10, terms(kind=0)),
    (10, SOUND.with_member(first_tree=1)),
    (10, SOUND.with_member(n_trees=1)),
    (10, SOUND.with_member(n_trees=3)),
    (10, terms(first_term=1)),
    (11, terms((2, 1), (1, 2))),
    (11, terms((0, 1), (1, 3))),
    (12, replace(SOUND, members=[TERMS], unused_nodes=bytes(16))),
    (12, tree(root=1)),
    (12, SOUND.with_member(trees=[TREE, replace(leaf(4.0, 2), root=0)])),
    (12, SOUND.with_member(trees=[TREE, replace(leaf(4.0, 2), root=6)])),
    (13, tree(output=1)),
    (13, tree(depth=5)),
    (13, tree(reserved=1)),
    (14, node(2, (1.0, 2, 1, 0))),
    (14, node(2, (1.0, 2, 2, 1))),
    *((14, node(2, (value, 2, 2, 0))) for value in (NAN, INF, -INF)),
    *((15, node(4, (offset, 4, 2, 0), VECTORS)) for offset in (0.5, -1.0, 2.0, 3.0, 2.0**40)),
    (16, node(1, ((0, 65), 0, 1, 1))),
    (16, node(1, ((0, 65), 4, 1, 1))),
    (16, node(0, (0.5, 2**32 - 1, 0, 0))),
    (16, node(0, (0.5, 1, 2, 0))),
    (17, node(0, (NAN, 1, 0, 0))),
    (17, node(1, ((0, 129), 3, 1, 1))),
    (17, node(1, ((2, 1), 3, 1, 1))),
    (17, node(1, ((2**32 - 1, 2**32 - 1), 3, 1, 1))),
    (17, node(1, ((0, 65), 3, 1, 2))),
    (17, SOUND.with_member(has_sets=0)),
    (18, tree(depth=1)),
    (19, replace(SOUND, values=[0.0, NAN, 2.0])),
    (19, replace(SOUND, values=[0.0, 1.0, INF])),
]


def open_content(content: bytes) -> ExactRuntime:
    fields = [Number(name=f"x{place}", example=1.0) for place in range(2)]
    return ExactRuntime(content, fields, has_probabilities=False)


@pytest.mark.parametrize("file", [SOUND, VECTORS])
def test_a_sound_file_is_opened(file: File) -> None:
    open_content(file.write())


@pytest.mark.parametrize(("rule", "file"), BROKEN)
def test_a_file_that_breaks_a_rule_is_refused_by_it(rule: int, file: File) -> None:
    with pytest.raises(UntrustedArtifact) as error:
        open_content(file.write())

    assert f"model.trees is not used: {BROKEN_RULES[rule]}" == str(error.value)


def test_a_file_cut_or_lengthened_anywhere_is_refused() -> None:
    content = SOUND.write()

    for size in range(len(content)):
        with pytest.raises(UntrustedArtifact):
            open_content(content[:size])
    with pytest.raises(UntrustedArtifact):
        open_content(content + bytes(8))


def test_each_rule_has_a_sentence_and_a_file_that_breaks_it() -> None:
    broken = {1, 20, *(rule for rule, _ in BROKEN)}  # too short a file; and too little memory

    assert set(BROKEN_RULES) == broken
