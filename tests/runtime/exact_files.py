"""Files of the exact runtime, written by hand: number by number, as the format says."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

VECTOR = 0xFFFFFFFF
NUMBER, TABLE, SUB_DIV, MUL_ADD, PRESENCE, YEAR, MONTH, DAY, WEEKDAY, HOUR, SINCE = range(11)
NO_LINK, SIGMOID, SOFTMAX, EXP, SOFTMAX_OF_TWO, ONE_VS_REST, EXPM1, SIGMOIDS = range(8)


@dataclass(frozen=True)
class Slot:
    """What nodes and terms see of a field."""

    field: int
    kind: int = NUMBER
    gap: float = float("inf")
    shift: float = 0.0
    scale: float = 1.0
    table: Sequence[float] = ()
    first_table: int | None = None  # None: behind the tables of the slots before
    reserved: float = 0.0


@dataclass(frozen=True)
class Tree:
    """Nodes (threshold, left, slot, is_set); children count from the tree's own root."""

    nodes: Sequence[tuple[float | tuple[int, int], int, int, int]]
    depth: int
    output: int = 0
    reserved: int = 0
    root: int | None = None  # None: behind the trees before


@dataclass(frozen=True)
class Member:
    """Trees, or terms (slot, first coefficient)."""

    trees: Sequence[Tree] = ()
    terms: Sequence[tuple[int, int]] = ()
    link: int = NO_LINK
    width: int = 1
    n_outputs: int = 1
    first_base: int = 0
    is_single: int = 0
    has_sets: int = 0
    divisor: float = 1.0
    weight: float = 1.0
    kind: int | None = None
    reserved: int = 0
    first_tree: int | None = None
    n_trees: int | None = None
    first_term: int | None = None


@dataclass(frozen=True)
class File:
    """A whole file."""

    n_fields: int
    slots: Sequence[Slot]
    members: Sequence[Member]
    values: Sequence[float] = (0.0,)
    sets: Sequence[int] = ()
    combine: int = 0
    divisor: float = 1.0
    reserved: int = 0
    magic: bytes = b"exact 1\n"
    n_outputs: int | None = None
    unused_tables: Sequence[float] = ()
    unused_nodes: bytes = b""
    counts: dict[str, int] = field(default_factory=dict)  # what the header says instead

    def with_member(self, **changes: object) -> "File":
        """Return the file with another first member."""
        first, *others = self.members
        return replace(self, members=[replace(first, **changes), *others])  # type: ignore[arg-type]

    def write(self) -> bytes:
        """Return the bytes."""
        trees = [tree for member in self.members for tree in member.trees]
        terms = [term for member in self.members for term in member.terms]
        tables = [number for slot in self.slots for number in slot.table]
        tables += self.unused_tables
        counts = {
            "n_fields": self.n_fields,
            "n_slots": len(self.slots),
            "n_tables": len(tables),
            "n_sets": len(self.sets),
            "n_members": len(self.members),
            "n_trees": len(trees),
            "n_nodes": sum(len(tree.nodes) for tree in trees) + len(self.unused_nodes) // 16,
            "n_values": len(self.values),
            "n_terms": len(terms),
            "n_outputs": self.n_outputs or self.members[0].n_outputs,
        } | self.counts
        head = struct.pack(
            "<8s12Id", self.magic, *counts.values(), self.combine, self.reserved, self.divisor
        )
        roots = [0, *accumulate(len(tree.nodes) for tree in trees)]
        return b"".join((
            head,
            self._slots(),
            struct.pack(f"<{len(tables)}d", *tables),
            struct.pack(f"<{len(self.sets)}Q", *self.sets),
            self._members(),
            *(_head(tree, root) for root, tree in zip(roots, trees, strict=False)),
            *(_nodes(tree, root) for root, tree in zip(roots, trees, strict=False)),
            self.unused_nodes,
            struct.pack(f"<{len(self.values)}d", *self.values),
            *(struct.pack("<2I", *term) for term in terms),
        ))  # fmt: skip

    def _slots(self) -> bytes:
        parts, place = [], 0
        for slot in self.slots:
            first = place if slot.first_table is None else slot.first_table
            parts.append(struct.pack(
                "<4I4d", slot.field, slot.kind, first, len(slot.table),
                slot.gap, slot.shift, slot.scale, slot.reserved,
            ))  # fmt: skip
            place += len(slot.table)
        return b"".join(parts)

    def _members(self) -> bytes:
        parts, tree, term = [], 0, 0
        for member in self.members:
            numbers = {
                "kind": int(bool(member.terms)),
                "link": member.link,
                "width": member.width,
                "n_outputs": member.n_outputs,
                "first_tree": tree,
                "n_trees": len(member.trees),
                "first_term": term,
                "n_terms": len(member.terms),
                "first_base": member.first_base,
                "is_single": member.is_single,
                "has_sets": member.has_sets,
                "reserved": member.reserved,
            }
            wrong = {name: getattr(member, name, None) for name in numbers}
            numbers |= {name: value for name, value in wrong.items() if value is not None}
            parts.append(struct.pack("<12I2d", *numbers.values(), member.divisor, member.weight))
            tree, term = tree + len(member.trees), term + len(member.terms)
        return b"".join(parts)


def _head(tree: Tree, root: int) -> bytes:
    first = root if tree.root is None else tree.root
    return struct.pack("<4I", first, tree.depth, tree.output, tree.reserved)


def _nodes(tree: Tree, root: int) -> bytes:
    parts = []
    for test, left, slot, is_set in tree.nodes:
        first = struct.pack("<2I", *test) if isinstance(test, tuple) else struct.pack("<d", test)
        parts.append(first + struct.pack("<I2H", root + left, slot, is_set))
    return b"".join(parts)


def stump(slot: int, threshold: float, low: float, high: float, n_slots: int) -> Tree:
    """Make a tree that asks once."""
    nodes = [(threshold, 1, slot, 0), (low, 1, n_slots, 0), (high, 2, n_slots, 0)]
    return Tree(nodes, depth=1)


def leaf(value: float, n_slots: int, *, output: int = 0) -> Tree:
    """Make a tree that asks nothing."""
    return Tree([(value, 0, n_slots, 0)], depth=0, output=output)
