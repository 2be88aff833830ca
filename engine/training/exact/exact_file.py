"""Writes ``model.trees``: arrays, one section after the other, little-endian, without gaps.

`engine/runtime/exact.c` reads it, and says what each number means.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.runtime.exact_contents import HEADER, MEMBER, SLOT, TERM, Link, SlotKind
from engine.training.exact.refusal import NotExact

_MAGIC = b"exact 1\n"

#: The output of a tree whose leaves are vectors, one number for each output.
VECTORS = 0xFFFFFFFF
#: The slot of leaves until the number of slots, which it becomes, is final.
LEAF = 0xFFFF


class Slot(NamedTuple):
    """What tests and terms compare or multiply, computed from one field of a record."""

    field: int
    kind: SlotKind
    gap: float
    shift: float = 0.0
    scale: float = 1.0
    table: tuple[float, ...] = ()
    since: int = 0  # the place of the field that SINCE subtracts


class Sums(NamedTuple):
    """What a member adds up, and what becomes of it: `bases` are where the sums start.

    Single precision is for leaves and bases that are single, too.
    """

    bases: Any
    divisor: float = 1.0
    link: Link = Link.NONE
    weight: float = 1.0
    is_single: bool = False

    @property
    def n_outputs(self) -> int:
        """The number of outputs."""
        return 2 if self.link is Link.SIGMOID else len(self.bases)


class ExactFile:
    """The sections, filled member by member."""

    def __init__(self, n_fields: int) -> None:
        self._n_fields = n_fields
        self._slots: dict[Slot, int] = {}
        self._sets: dict[bytes, int] = {}
        self._n_words = self._n_values = 0
        self._parts: dict[str, list[Any]] = {
            "sets": [], "members": [], "trees": [], "nodes": [], "values": [], "terms": []
        }  # fmt: skip
        self.n_outputs: list[int] = []

    def slot(self, slot: Slot) -> int:
        """Return the place of a slot, of which each is there once."""
        if len(self._slots) >= LEAF - 1 and slot not in self._slots:
            raise NotExact(
                f"its trees and sums read more than {LEAF - 1:,} columns", "leave some of them out"
            )
        return self._slots.setdefault(slot, len(self._slots))

    def set(self, words: Any) -> int:
        """Return the place of a set of codes, 64-bit words; each set is there once."""
        content = np.asarray(words, "<u8").tobytes()
        if content not in self._sets:
            self._sets[content] = self._n_words
            self._parts["sets"].append(np.frombuffer(content, "<u8"))
            self._n_words += len(content) // 8
        return self._sets[content]

    def values(self, numbers: Any) -> int:
        """Add numbers to the values; return the place of the first."""
        first = self._n_values
        self._parts["values"].append(np.ravel(np.asarray(numbers, "<f8")))
        self._n_values += np.size(numbers)
        return first

    def add_trees(self, sums: Sums, trees: Any, nodes: Any) -> None:
        """Add a member of trees. Their roots and children are places among these nodes."""
        first = sum(map(len, self._parts["nodes"]))
        trees["root"] += first
        nodes["left"] += first
        member = self._member(0, sums)
        member["n_trees"] = len(trees)
        member["has_sets"] = nodes["is_set"].any()
        self._parts["trees"].append(trees)
        self._parts["nodes"].append(nodes)

    def add_linear(self, sums: Sums, slots: Sequence[int], coefficients: Any) -> None:
        """Add a member that is a sum of slots, each times its coefficients, a row for each."""
        terms = np.zeros(len(slots), TERM)
        terms["slot"] = slots
        width = len(sums.bases)
        terms["first_coefficient"] = self.values(coefficients) + width * np.arange(len(slots))
        member = self._member(1, sums)
        member["n_terms"] = len(slots)
        self._parts["terms"].append(terms)

    def set_link(self, link: Link) -> None:
        """Give the only member a link, for which it must not have one yet."""
        (member,) = self._parts["members"]
        if member["link"]:
            raise NotExact("two functions, one after the other, make its answers", "leave one out")
        member["link"] = link

    def content(self, divisor: float | None = None) -> bytes:
        """Return the file; with a divisor, the members' weighted sum is divided by it."""
        slots, tables = self._written_slots()
        parts = {name: np.concatenate(part) for name, part in self._parts.items() if part}
        if "nodes" in parts:
            nodes = parts["nodes"]
            nodes["slot"][nodes["slot"] == LEAF] = len(slots)
        parts |= {"slots": slots, "tables": tables}
        order = ("slots", "tables", "sets", "members", "trees", "nodes", "values", "terms")
        header = np.zeros(1, HEADER)
        header["magic"] = _MAGIC
        counts = [len(parts.get(name, ())) for name in order]
        header["counts"] = [self._n_fields, *counts, self.n_outputs[0], divisor is not None, 0]
        header["divisor"] = 1.0 if divisor is None else divisor
        return b"".join(
            [header.tobytes(), *(parts[name].tobytes() for name in order if name in parts)]
        )

    def _member(self, kind: int, sums: Sums) -> Any:
        member = np.zeros(1, MEMBER)
        member["kind"], member["link"], member["width"] = kind, sums.link, len(sums.bases)
        member["n_outputs"], member["divisor"] = sums.n_outputs, sums.divisor
        member["weight"], member["first_base"] = sums.weight, self.values(sums.bases)
        member["is_single"] = sums.is_single
        member["first_tree"] = sum(map(len, self._parts["trees"]))
        member["first_term"] = sum(map(len, self._parts["terms"]))
        self._parts["members"].append(member)
        self.n_outputs.append(sums.n_outputs)
        return member

    def _written_slots(self) -> tuple[Any, Any]:
        slots = np.zeros(len(self._slots), SLOT)
        for entry, slot in zip(slots, self._slots, strict=True):
            entry["field"], entry["kind"], entry["gap"] = slot.field, slot.kind, slot.gap
            entry["shift"], entry["scale"] = slot.shift, slot.scale
            entry["n_codes"] = len(slot.table)
        slots["first_table"] = np.cumsum(slots["n_codes"]) - slots["n_codes"]
        slots["first_table"][slots["n_codes"] == 0] = 0
        is_since = slots["kind"] == SlotKind.SINCE
        slots["first_table"][is_since] = [s.since for s in self._slots if s.kind is SlotKind.SINCE]
        return slots, np.array([number for slot in self._slots for number in slot.table], "<f8")
