"""Numbers that processes count side by side, in memory that they share.

Each process writes to a slot of its own, so none waits for another. Whoever
reads adds the slots up. A slot outlives its process: what a worker has counted
is there when it is gone, and the next worker that takes the slot counts on.
"""

import json
import logging
import mmap
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import Any

_log = logging.getLogger(__name__)

#: Bytes of a slot: room for some thousands of series.
SLOT_BYTES = 2**20

#: Doubles at the end of a slot for what has no room; nobody reads them.
_SCRATCH = 64

Key = tuple[Any, ...]

#: What is to be added: the key, the place among its numbers, and how much.
Count = tuple[Key, int, float]


class SharedCounters:
    """Doubles by key, in as many slots as processes can write side by side.

    The memory is shared with the processes that are forked later. `widths` are how
    many numbers a key has, by its first part; 1 where it is missing.
    """

    def __init__(self, slots: int, *, widths: Mapping[str, int]) -> None:
        self.slots = slots
        self._widths = widths
        self._memory = memoryview(mmap.mmap(-1, slots * SLOT_BYTES))
        self._lock = Lock()
        self.use(0)

    def use(self, slot: int) -> None:
        """Write to a slot from now on; no other process may write to it."""
        self._doubles = self._of(slot)
        self._places = {key: place for key, place, _ in self._entries(slot)}

    def add(self, counts: Iterable[Count]) -> None:
        """Add to numbers."""
        with self._lock:
            doubles, places = self._doubles, self._places
            for key, offset, amount in counts:
                doubles[(places.get(key) or self._make(key)) + offset] += amount

    def put(self, key: Key, value: float) -> None:
        """Set this process's number."""
        with self._lock:
            self._doubles[self._places.get(key) or self._make(key)] = value

    def raise_to(self, key: Key, value: float) -> None:
        """Set the number of this slot unless it is larger already."""
        with self._lock:
            place = self._places.get(key) or self._make(key)
            self._doubles[place] = max(self._doubles[place], value)

    def clear(self, slot: int, names: set[str]) -> None:
        """Set to 0, in a slot without a writer, what only a living process counts."""
        doubles = self._of(slot)
        for key, place, width in self._entries(slot):
            if key[0] in names:
                doubles[place : place + width] = memoryview(bytes(8 * width)).cast("d")

    def read(self) -> Iterator[tuple[Key, list[float]]]:
        """Yield every key of every slot, and its numbers."""
        for slot in range(self.slots):
            doubles = self._of(slot)
            for key, place, width in self._entries(slot):
                yield key, [*doubles[place : place + width]]

    def _of(self, slot: int) -> "memoryview[float]":
        return self._memory[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES].cast("d")

    def _entries(self, slot: int) -> Iterator[tuple[Key, int, int]]:
        """Yield keys, the places of their numbers, and how many there are.

        The first double of a slot holds how many are taken. An entry is the
        key's length in bytes, the count of its numbers, the key, the numbers.
        """
        doubles = self._of(slot)
        raw = doubles.cast("B")
        place, end = 1, int(doubles[0])
        while place < end:
            length, width = int(doubles[place]), int(doubles[place + 1])
            key = bytes(raw[8 * (place + 2) : 8 * (place + 2) + length])
            place += 2 + _doubles_for(length)
            yield tuple(json.loads(key)), place, width
            place += width

    def _make(self, key: Key) -> int:
        text, width = json.dumps(key).encode(), self._widths.get(key[0], 1)
        start = int(self._doubles[0]) or 1
        place = start + 2 + _doubles_for(len(text))
        most = SLOT_BYTES // 8 - _SCRATCH
        if place + width > most:
            if most not in self._places.values():
                _log.error("no room to count %s, and nothing new from now on", key[0])
            self._places[key] = most
            return most
        self._doubles[start], self._doubles[start + 1] = len(text), width
        self._doubles.cast("B")[8 * (start + 2) : 8 * (start + 2) + len(text)] = text
        self._doubles[0] = place + width  # whole before anybody reads it
        self._places[key] = place
        return place


def _doubles_for(length: int) -> int:
    return -(-length // 8)
