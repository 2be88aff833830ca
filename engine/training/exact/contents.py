"""What the gate asks of a file of the exact runtime: where it turns, and how closely it answers.

`engine/runtime/exact.h` has the whole layout.
"""

from typing import Any

import numpy as np

#: The sections behind the header, in their order, with the bytes of an entry.
_SIZES = {"slots": 48, "tables": 8, "sets": 8, "members": 64, "trees": 16, "nodes": 16}
_HEADER, _FIRST_COUNT = 64, 12

_FIELDS = {
    "slots": {"field": ("<u4", 0), "kind": ("<u4", 4)},
    "members": {"kind": ("<u4", 0), "link": ("<u4", 4)},
    "nodes": {"threshold": ("<f8", 0), "slot": ("<u2", 12), "is_set": ("<u2", 14)},
}
_NUMBER, _TREES, _NO_LINK = 0, 0, 0


def thresholds(content: bytes) -> tuple[Any, Any]:
    """Return the places of fields, and the numbers at which its trees turn, each pair once."""
    slots, nodes = _section(content, "slots"), _section(content, "nodes")
    tests = nodes[(nodes["slot"] < len(slots)) & (nodes["is_set"] == 0)]
    used = slots[tests["slot"]]
    tests, used = (part[used["kind"] == _NUMBER] for part in (tests, used))
    pairs = np.stack([used["field"].astype(np.float64), tests["threshold"]])
    places, numbers = np.unique(pairs[:, np.isfinite(pairs[1])], axis=1)
    return places.astype(np.intp), numbers


def has_equal_bits(content: bytes) -> bool:
    """Return whether it only adds up the leaves of trees, as scikit-learn does."""
    members = _section(content, "members")
    return bool(((members["kind"] == _TREES) & (members["link"] == _NO_LINK)).all())


def _section(content: bytes, name: str) -> Any:
    counts = np.frombuffer(content, "<u4", len(_SIZES), _FIRST_COUNT).tolist()
    start = _HEADER
    for (section, size), count in zip(_SIZES.items(), counts, strict=True):
        if section == name:
            break
        start += size * count
    types, offsets = zip(*_FIELDS[name].values(), strict=True)
    dtype = np.dtype(
        {"names": [*_FIELDS[name]], "formats": types, "offsets": offsets, "itemsize": size}
    )
    return np.frombuffer(content, dtype, count, start)
