"""Turns tests of prepared columns into tests of the record itself.

A tree asks whether a column is at most a threshold. Where the column rises with the number of
its field, there is a greatest double of the field for which the fitted preparation says yes:
it is searched by halving the doubles between the ends of the field, for all tests at once.
Where the column depends on a word, the preparation is asked once for each word.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.training.exact.exact_file import ExactFile, Slot, SlotKind
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact

#: A field with more columns than this, such as one-hot ones, is tested by sets of codes.
_MOST_TABLES = 16
_LARGEST = float(np.finfo(np.float64).max)
_LEAST_KEY = np.iinfo(np.int64).min


class Tests(NamedTuple):
    """Tests of columns: true where the column is at most a threshold, or as a gap goes.

    `choice` is the row of `choices` that says which whole numbers are true, or -1. Columns
    are compared in single precision if `is_single`.
    """

    column: Any
    threshold: Any
    gap_is_true: Any
    choice: Any
    choices: Any
    is_single: bool

    def take(self, rows: Any) -> "Tests":
        """Return some of the tests."""
        taken = (part[rows] for part in self[:4])
        return Tests(*taken, self.choices, self.is_single)

    def are_true(self, cells: Any) -> Any:
        """Return how the tests come out, for a cell each along the first axis."""
        shape = (-1, *(1,) * (cells.ndim - 1))
        threshold, gap, choice = (
            part.reshape(shape) for part in (self.threshold, self.gap_is_true, self.choice)
        )
        with np.errstate(all="ignore"):
            compared = cells.astype(np.float32).astype(np.float64) if self.is_single else cells
            true = np.where(np.isnan(compared), gap, compared <= threshold)
            if len(self.choices):
                is_code = (compared >= 0) & (compared < self.choices.shape[1])
                code = np.where(is_code, compared, 0).astype(np.intp)
                chosen = np.where(is_code, self.choices[np.maximum(choice, 0), code], gap)
                true = np.where(choice >= 0, chosen, true)
        return true.astype(bool)


class Folded(NamedTuple):
    """What the tests are of the record: a slot each, and a threshold or the place of a set."""

    slot: Any
    value: Any
    is_set: Any


def fold(preparation: Preparation, tests: Tests, file: ExactFile) -> Folded:
    """Return the tests of a record that come out as some tests of prepared columns do.

    Raise `NotExact` if a column depends on several fields, or does not rise with its number.
    """
    distinct, places = _distinct(tests)
    size = len(distinct.column)
    folded = Folded(np.zeros(size, "<u2"), np.zeros(size), np.zeros(size, "<u2"))
    used, of = np.unique(distinct.column, return_inverse=True)
    owners = np.array([preparation.field_of(column) for column in used], np.intp)[of]
    rises = np.array([preparation.is_rising(column) for column in used], bool)[of]
    rises &= distinct.choice < 0
    _fold_constants(distinct, preparation, file, folded, np.flatnonzero(owners < 0))
    rising = np.flatnonzero((owners >= 0) & rises)
    if len(rising):
        limits = _limits(preparation, distinct.take(rising))
        for owner in np.unique(owners[rising]):
            is_here = owners[rising] == owner
            rows, chosen = rising[is_here], limits[is_here]
            _fold_numbers(distinct.take(rows), chosen, preparation, file, folded, rows)
        _check(preparation, distinct.take(rising), limits, folded, rising)
    for owner in np.unique(owners[(owners >= 0) & ~rises]):
        rows = np.flatnonzero((owners == owner) & ~rises)
        _fold_codes(distinct.take(rows), preparation, file, folded, rows)
    return Folded(folded.slot[places], folded.value[places], folded.is_set[places])


def _distinct(tests: Tests) -> tuple[Tests, Any]:
    """Return each test once, and the place of each among them."""
    keys = (
        tests.column, tests.threshold.view(np.int64) * (tests.choice < 0), tests.gap_is_true,
        tests.choice,
    )  # fmt: skip
    order = np.lexsort(keys)
    is_new = np.zeros(len(order), bool)
    is_new[:1] = True
    for key in keys:
        is_new[1:] |= key[order[1:]] != key[order[:-1]]
    places = np.empty(len(order), np.intp)
    places[order] = np.cumsum(is_new) - 1
    return tests.take(order[is_new]), places


def _fold_constants(
    tests: Tests, preparation: Preparation, file: ExactFile, folded: Folded, rows: Any
) -> None:
    """Fold tests of columns that no field decides: they always come out alike."""
    if len(rows):
        cells = preparation.rows({})[0][tests.column[rows]]
        true = tests.take(rows).are_true(cells)
        folded.slot[rows] = [
            file.slot(Slot(0, SlotKind.TABLE, -np.inf if is_true else np.inf)) for is_true in true
        ]


def _limits(preparation: Preparation, tests: Tests) -> Any:
    """Return the greatest double of its field for which each test is true.

    It is -inf for a test that is never true, and the largest double for one that always is.
    """
    spans = np.array(
        [preparation.span(preparation.field_of(column)) for column in tests.column]
    ).reshape(-1, 2)  # fmt: skip
    low, high = _keys(spans[:, 0]), _keys(spans[:, 1])
    is_never, is_always = (
        ~_numbers_are_true(preparation, tests, spans[:, 0]),
        _numbers_are_true(preparation, tests, spans[:, 1]),
    )
    while True:
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        if not (middle > low).any():
            break
        is_true = _numbers_are_true(preparation, tests, _doubles(middle))
        low, high = np.where(is_true, middle, low), np.where(is_true, high, middle)
    limits = _doubles(low)
    limits[is_never] = -np.inf
    limits[is_always] = _LARGEST
    return limits


def _numbers_are_true(preparation: Preparation, tests: Tests, numbers: Any) -> Any:
    return tests.are_true(preparation.cells(tests.column, numbers))


def _keys(doubles: Any) -> Any:
    """Return whole numbers in the order of doubles, neighbours for neighbours; one zero."""
    bits = np.ascontiguousarray(doubles, np.float64).view(np.int64)
    return np.where(bits < 0, _LEAST_KEY - bits, bits)


def _doubles(keys: Any) -> Any:
    """Return the doubles of keys; the inverse of `_keys`."""
    return np.where(keys < 0, _LEAST_KEY - keys, keys).view(np.float64)


def _fold_numbers(
    tests: Tests, limits: Any, preparation: Preparation, file: ExactFile, folded: Folded, rows: Any
) -> None:
    """Fold tests of one field's number, with one slot, or two if gaps need both directions."""
    column = int(tests.column[0])
    owner = preparation.field_of(column)
    folded.value[rows] = limits
    if not preparation.takes_gaps(column):
        folded.slot[rows] = file.slot(Slot(owner, SlotKind.NUMBER, np.inf))
        return
    true = tests.are_true(preparation.gaps[tests.column])
    least, most = limits[true].min(initial=np.inf), limits[~true].max(initial=-np.inf)
    if most < least or not true.any():
        folded.slot[rows] = file.slot(Slot(owner, SlotKind.NUMBER, float(least)))
        return
    for direction, gap in ((True, -np.inf), (False, np.inf)):
        folded.slot[rows[true == direction]] = file.slot(Slot(owner, SlotKind.NUMBER, gap))


def _fold_codes(
    tests: Tests, preparation: Preparation, file: ExactFile, folded: Folded, rows: Any
) -> None:
    """Fold tests of one field's codes: a table of each column's numbers, or sets of codes."""
    used = np.unique(tests.column)
    tables = {int(column): preparation.codes(int(column)) for column in used}
    owner = preparation.field_of(int(used[0]))
    has_gaps = any(np.isnan(table).any() for table in tables.values())
    if has_gaps or len(used) > _MOST_TABLES or (tests.choice >= 0).any():
        cells = np.stack([tables[int(column)] for column in tests.column])
        true = tests.are_true(cells)
        count = true.shape[1] - 1
        codes = tuple(map(float, range(count)))
        folded.slot[rows] = file.slot(Slot(owner, SlotKind.TABLE, float(count), table=codes))
        words = np.zeros((len(true), (count // 64 + 1) * 64), np.uint8)
        words[:, : count + 1] = true
        packed = np.packbits(words, axis=1, bitorder="little").view("<u8")
        sets = np.array([(file.set(word), count + 1) for word in packed], "<u4")
        folded.value[rows] = sets.view("<f8")[:, 0]
        folded.is_set[rows] = 1
        return
    folded.value[rows] = tests.threshold
    for column, table in tables.items():
        with np.errstate(over="ignore"):
            numbers = table.astype(np.float32) if tests.is_single else table
        *codes, gap = map(float, numbers)
        is_here = tests.column == column
        slot = Slot(owner, SlotKind.TABLE, gap, table=tuple(codes))
        folded.slot[rows[is_here]] = file.slot(slot)


def _check(preparation: Preparation, tests: Tests, limits: Any, folded: Folded, rows: Any) -> None:
    """Raise `NotExact` unless the preparation agrees around the limits and between them."""
    draw = np.random.default_rng(0)
    spans = np.array(
        [preparation.span(preparation.field_of(column)) for column in tests.column]
    ).reshape(-1, 2)
    low, high = _keys(spans[:, 0]), _keys(spans[:, 1])
    near = np.clip(_keys(limits), low, high)
    drawn = draw.integers(low, high, endpoint=True)
    others = np.clip(limits[draw.permutation(len(limits))], spans[:, 0], spans[:, 1])
    steps = [near + step for step in (-2, -1, 0, 1, 2)]
    for keys in (*steps, drawn, _keys(others)):
        numbers = _doubles(np.clip(keys, low, high))
        is_wrong = _numbers_are_true(preparation, tests, numbers) != (numbers <= limits)
        if is_wrong.any():
            column = int(tests.column[np.argmax(is_wrong)])
            raise NotExact(
                f"{preparation.columns[column].step} does not keep all numbers of "
                f"{preparation.names(column)} in their order: leave the step out, which trees do "
                "not need, or narrow the range of the field"
            )
