"""Turns tests of prepared columns into tests of the record itself.

A tree asks whether a column is at most a threshold. Where the column rises with the number of
its field, there is a greatest double of the field for which the fitted preparation says yes:
it is searched by halving the doubles between the ends of the field, for all tests at once.
Where the column depends on a word, the preparation is asked once for each word.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.runtime.exact_contents import SlotKind
from engine.training.exact.column_tests import Tests
from engine.training.exact.crossings import Crossings
from engine.training.exact.exact_file import ExactFile, Slot
from engine.training.exact.preparation import Preparation

#: A field with more columns than this, such as one-hot ones, is tested by sets of codes.
_MOST_TABLES = 16


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
        crossings = Crossings(preparation, distinct.take(rising), owners[rising])
        limits = crossings.find()
        since = np.array([preparation.columns[column].since for column in used], np.intp)[of]
        pairs = np.stack([owners[rising], since[rising]])
        for pair in np.unique(pairs, axis=1).T:
            is_here = (pairs.T == pair).all(axis=1)
            rows, chosen = rising[is_here], limits[is_here]
            _fold_numbers(distinct.take(rows), chosen, preparation, file, folded, rows)
    parts = np.array([preparation.columns[column].part or 0 for column in used], np.intp)[of]
    keys = owners * (max(SlotKind) + 1) + parts
    for key in np.unique(keys[(owners >= 0) & ~rises]):
        rows = np.flatnonzero((keys == key) & (owners >= 0) & ~rises)
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


def _fold_numbers(
    tests: Tests, limits: Any, preparation: Preparation, file: ExactFile, folded: Folded, rows: Any
) -> None:
    """Fold tests of one field's number, with one slot, or two if gaps need both directions."""
    column = int(tests.column[0])
    limits = limits - preparation.origin(column)
    folded.value[rows] = limits
    if not preparation.takes_gaps(column):
        folded.slot[rows] = file.slot(preparation.number(column, np.inf))
        return
    true = tests.are_true(preparation.gaps[tests.column])
    least, most = limits[true].min(initial=np.inf), limits[~true].max(initial=-np.inf)
    if most < least or not true.any():
        folded.slot[rows] = file.slot(preparation.number(column, float(least)))
        return
    for direction, gap in ((True, -np.inf), (False, np.inf)):
        folded.slot[rows[true == direction]] = file.slot(preparation.number(column, gap))


def _fold_codes(
    tests: Tests, preparation: Preparation, file: ExactFile, folded: Folded, rows: Any
) -> None:
    """Fold tests of one field's codes: a table of each column's numbers, or sets of codes."""
    used = np.unique(tests.column)
    tables = {int(column): preparation.codes(int(column)) for column in used}
    has_gaps = any(np.isnan(table).any() for table in tables.values())
    if has_gaps or len(used) > _MOST_TABLES or (tests.choice >= 0).any():
        cells = np.stack([tables[int(column)] for column in tests.column])
        true = tests.are_true(cells)
        count = true.shape[1] - 1
        slot = preparation.slot(int(used[0]), float(count), range(count))
        folded.slot[rows] = file.slot(slot)
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
        slot = preparation.slot(column, gap, codes)
        folded.slot[rows[is_here]] = file.slot(slot)
