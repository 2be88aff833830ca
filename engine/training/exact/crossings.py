"""Finds the numbers of fields at which the columns of a fitted preparation cross thresholds.

For a column that rises with its field's number, there is a greatest double for which it is at
most a threshold. It is searched for all thresholds at once, by asking the preparation.
"""

from typing import Any

import numpy as np

from engine.runtime.exact_contents import SlotKind
from engine.training.exact.column_tests import Tests
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact
from engine.training.exact.steps import Column, Shape

_LARGEST = float(np.finfo(np.float64).max)
_LEAST_KEY = np.iinfo(np.int64).min
#: A search that has not found the crossing goes on so many times as far.
_GROWTH = np.uint64(8)
_WHOLE = np.uint64(1 << 63)
#: So many doubles on each side of a crossing are asked, whether they are on the right side.
_REACH = 8


class Crossings:
    """Searches for some tests, with the place of the field that decides each.

    Doubles are counted by whole numbers in their order, the keys, of which each of them has
    one; both zeros have the same.
    """

    def __init__(self, preparation: Preparation, tests: Tests, owners: Any) -> None:
        self._preparation, self._tests, self._owners = preparation, tests, owners
        used, of = np.unique(tests.column, return_inverse=True)
        self._ends = np.array([preparation.ends(int(column)) for column in used])[of]
        self._low, self._high = _keys(self._ends[:, 0]), _keys(self._ends[:, 1])

    def find(self) -> Any:
        """Return the greatest double of its field for which each test is true.

        It is -inf for a test that is never true, and the largest double for one that always is.
        Raise `NotExact` if around it, or elsewhere, the preparation says otherwise.
        """
        every = np.arange(len(self._owners))
        is_never, is_always = ~self._are_true(every, self._low), self._are_true(every, self._high)
        limits = np.where(is_never, -np.inf, _LARGEST)
        rows = np.flatnonzero(~is_never & ~is_always)
        limits[rows] = _doubles(self._narrowed(rows, *self._brackets(rows)))
        self._check(limits)
        return limits

    def _brackets(self, rows: Any) -> tuple[Any, Any]:
        """Return keys on both sides of each crossing, from a guess outwards."""
        low, high = self._low[rows].copy(), self._high[rows].copy()
        near, reach = self._guesses(rows)
        is_true = self._are_true(rows, near)
        low, high = np.where(is_true, near, low), np.where(is_true, high, near)
        open_rows = np.arange(len(rows))
        while len(open_rows):
            at, up = near[open_rows], is_true[open_rows]
            end = np.where(up, self._high[rows[open_rows]], self._low[rows[open_rows]])
            room = np.where(up, end - at, at - end).view(np.uint64)  # it may pass 2**63
            move = np.minimum(room, reach[open_rows]).view(np.int64)
            at = np.where(up, at + move, at - move)
            near[open_rows], reach[open_rows] = at, _grown(reach[open_rows])
            now = self._are_true(rows[open_rows], at)
            low[open_rows] = np.where(now, at, low[open_rows])
            high[open_rows] = np.where(now, high[open_rows], at)
            open_rows = open_rows[(now == up) & (at != end)]
        return low, high

    def _narrowed(self, rows: Any, low: Any, high: Any) -> Any:
        """Return the keys of the crossings, found by halving what is between two keys."""
        while True:
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            wide = np.flatnonzero(middle > low)
            if not len(wide):
                return low
            is_true = self._are_true(rows[wide], middle[wide])
            low[wide] = np.where(is_true, middle[wide], low[wide])
            high[wide] = np.where(is_true, high[wide], middle[wide])

    def _guesses(self, rows: Any) -> tuple[Any, Any]:
        """Return where to begin, and how far to go first: to the ends without a guess."""
        tests = self._tests.take(rows)
        edges = _edges(tests.threshold) if tests.is_single else tests.threshold
        guesses, reach = np.zeros(len(rows)), np.full(len(rows), _WHOLE)
        for column in np.unique(tests.column):
            is_here = tests.column == column
            described = self._preparation.columns[column]
            if described.shape is Shape.SAME or described.scaling is not None:
                guesses[is_here] = _unscaled(edges[is_here], described)
                reach[is_here] = 1
        return np.clip(_keys(guesses), self._low[rows], self._high[rows]), reach

    def _check(self, limits: Any) -> None:
        draw = np.random.default_rng(0)
        near = np.clip(_keys(limits), self._low, self._high)
        drawn = draw.integers(self._low, self._high, endpoint=True)
        others = _keys(np.clip(draw.permutation(limits), *self._ends.T))
        steps = np.arange(-_REACH, _REACH + 1)[:, None]
        chosen = np.clip(np.concatenate([near + steps, [drawn, others]]), self._low, self._high)
        every = np.tile(np.arange(len(limits)), len(chosen))
        # Each call of the preparation costs milliseconds, however few the numbers.
        are_true = self._are_true(every, chosen.ravel()).reshape(chosen.shape)
        is_wrong = (are_true != (_doubles(chosen) <= limits)).any(axis=0)
        if is_wrong.any():
            column = int(self._tests.column[np.argmax(is_wrong)])
            raise NotExact(
                f"{self._preparation.columns[column].step} does not keep all numbers of "
                f"{self._preparation.names(column)} in their order",
                "leave it out, trees do not need it, or narrow the range of the field",
            )

    def _are_true(self, rows: Any, keys: Any) -> Any:
        tests = self._tests.take(rows)
        cells = self._preparation.cells(tests.column, self._owners[rows], _doubles(keys))
        return tests.are_true(cells)


def _grown(reach: Any) -> Any:
    return np.where(reach < _WHOLE // _GROWTH, reach * _GROWTH, _WHOLE)


def _unscaled(numbers: Any, column: Column) -> Any:
    """Return about which numbers of a field a column has these numbers for."""
    if column.scaling is None:
        return numbers
    kind, shift, scale = column.scaling
    with np.errstate(all="ignore"):
        before = numbers * scale + shift if kind is SlotKind.SUB_DIV else (numbers - shift) / scale
    return np.nan_to_num(before)


def _edges(thresholds: Any) -> Any:
    """Return about the greatest doubles that are at most a threshold once they are singles."""
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
    below = np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single)
    with np.errstate(all="ignore"):
        above = np.nextafter(below, np.float32(np.inf))
        return np.nan_to_num((below.astype(np.float64) + above.astype(np.float64)) / 2)


def _keys(doubles: Any) -> Any:
    """Return whole numbers in the order of doubles, neighbours for neighbours; one zero."""
    bits = np.ascontiguousarray(doubles, np.float64).view(np.int64)
    return np.where(bits < 0, _LEAST_KEY - bits, bits)


def _doubles(keys: Any) -> Any:
    """Return the doubles of keys; the inverse of `_keys`."""
    return np.where(keys < 0, _LEAST_KEY - keys, keys).view(np.float64)
