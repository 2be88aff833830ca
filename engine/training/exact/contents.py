"""What the gate asks of a file of the exact runtime: where it turns, and how closely it answers."""

from typing import Any

import numpy as np

from engine.training.exact.exact_file import HEADER, MEMBER, NODE, SLOT, TREE, Link, SlotKind

#: The sections behind the header, in their order; the header counts the fields before them.
_SECTIONS = {
    "slots": SLOT, "tables": np.dtype("<f8"), "sets": np.dtype("<u8"), "members": MEMBER,
    "trees": TREE, "nodes": NODE,
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
