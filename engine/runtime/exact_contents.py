"""What a file of the exact runtime holds: where it turns, and how closely it answers.

It is arrays, one section after the other, little-endian, without gaps; exact.c reads it, and
exact.h says what each number means.
"""

from enum import IntEnum
from typing import Any

import numpy as np

HEADER = np.dtype([("magic", "S8"), ("counts", "<u4", (12,)), ("divisor", "<f8")])
SLOT = np.dtype(
    [("field", "<u4"), ("kind", "<u4"), ("first_table", "<u4"), ("n_codes", "<u4"),
     ("gap", "<f8"), ("shift", "<f8"), ("scale", "<f8"), ("reserved", "<f8")]
)  # fmt: skip
MEMBER = np.dtype(
    [("kind", "<u4"), ("link", "<u4"), ("width", "<u4"), ("n_outputs", "<u4"),
     ("first_tree", "<u4"), ("n_trees", "<u4"), ("first_term", "<u4"), ("n_terms", "<u4"),
     ("first_base", "<u4"), ("is_single", "<u4"), ("has_sets", "<u4"), ("reserved", "<u4"),
     ("divisor", "<f8"), ("weight", "<f8")]
)  # fmt: skip
TREE = np.dtype([("root", "<u4"), ("depth", "<u4"), ("output", "<u4"), ("reserved", "<u4")])
NODE = np.dtype([("value", "<f8"), ("left", "<u4"), ("slot", "<u2"), ("is_set", "<u2")])
TERM = np.dtype([("slot", "<u4"), ("first_coefficient", "<u4")])


class SlotKind(IntEnum):
    """How a slot is computed from a record."""

    NUMBER = 0
    TABLE = 1
    SUB_DIV = 2
    MUL_ADD = 3
    PRESENCE = 4
    YEAR = 5
    MONTH = 6
    DAY = 7
    WEEKDAY = 8
    HOUR = 9
    SINCE = 10


class Link(IntEnum):
    """How a member's sums become its outputs."""

    NONE = 0
    SIGMOID = 1
    SOFTMAX = 2
    EXP = 3
    ONE_VS_REST = 5
    EXPM1 = 6
    SIGMOIDS = 7


#: The sections behind the header, in their order; the header counts the fields before them.
_SECTIONS = {
    "slots": SLOT, "tables": np.dtype("<f8"), "sets": np.dtype("<u8"), "members": MEMBER,
    "trees": TREE, "nodes": NODE, "values": np.dtype("<f8"), "terms": TERM,
}  # fmt: skip
_TREES = 0


def thresholds(content: bytes) -> tuple[Any, Any]:
    """Return the places of fields, and the numbers at which its trees turn, each pair once."""
    slots, nodes = _section(content, "slots"), _section(content, "nodes")
    tests = nodes[(nodes["slot"] < len(slots)) & (nodes["is_set"] == 0)]
    used = slots[tests["slot"]]
    tests, used = (part[used["kind"] == SlotKind.NUMBER] for part in (tests, used))
    pairs = np.stack([used["field"].astype(np.float64), tests["value"]])
    places, numbers = np.unique(pairs[:, np.isfinite(pairs[1])], axis=1)
    return places.astype(np.intp), numbers


def turning_points(content: bytes) -> dict[int, Any]:
    """Return the numbers at which the answers turn, by the places of the fields.

    A place is left out where its field does more than to be compared with numbers.
    """
    slots, nodes = _section(content, "slots"), _section(content, "nodes")
    tests = nodes[nodes["slot"] < len(slots)]
    kinds = slots[tests["slot"]]["kind"]
    is_plain = (kinds == SlotKind.PRESENCE) | ((kinds == SlotKind.NUMBER) & (tests["is_set"] == 0))
    terms = _section(content, "terms")["slot"]
    others = slots[np.concatenate([tests["slot"][~is_plain].astype(terms.dtype), terms])]
    since = others["first_table"][others["kind"] == SlotKind.SINCE]
    unclear = {*others["field"].tolist(), *since.tolist()}
    places, numbers = thresholds(content)
    (header,) = np.frombuffer(content, HEADER, 1)
    fields = set(range(int(header["counts"][0]))) - unclear
    return {place: numbers[places == place] for place in fields}


def has_equal_bits(content: bytes) -> bool:
    """Return whether it only adds up the leaves of trees, as its estimator does."""
    members = _section(content, "members")
    is_sum = (members["kind"] == _TREES) & (members["link"] == Link.NONE)
    # Of estimators in single precision, scikit-learn computes the average in it, too.
    return bool(is_sum.all()) and not (len(members) > 1 and members["is_single"].any())


def _section(content: bytes, name: str) -> Any:
    (header,) = np.frombuffer(content, HEADER, 1)
    counts = dict(zip(_SECTIONS, header["counts"][1:].tolist(), strict=False))
    before = [*_SECTIONS][: [*_SECTIONS].index(name)]
    start = HEADER.itemsize + sum(_SECTIONS[each].itemsize * counts[each] for each in before)
    return np.frombuffer(content, _SECTIONS[name], counts[name], start)
