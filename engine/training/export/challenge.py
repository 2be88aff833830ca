"""Rows that a wrong translation of a pipeline answers otherwise.

Every field in turn takes the values at which models turn, while the others keep those of a
real row. The thresholds of trees are those of the fitted trees themselves: along a field, the
double is searched at which a tree's feature crosses its threshold, whatever preparation lies
between. Where there are no trees, the greatest jumps of the answer are searched instead.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.runtime.native import frame
from engine.runtime.runtimes import Columns, Outputs
from engine.schema.fields import Field, Number
from engine.training.export.thresholds import Splits

#: The most real rows, thresholds of trees, and searches for a jump.
HELD_OUT_ROWS, MOST_THRESHOLDS, MOST_JUMPS = 20_000, 3_000, 64

#: With many fields fewer turning points of each are taken, so that their rows have about so many
#: cells; but not fewer than the second number, nor without the ends.
MOST_CELLS, _FEWEST_POINTS, _ENDS = 8_000_000, 50, 8

#: A search is divided into so many parts, until its ends are neighbouring doubles, but not
#: for ever: near 0 doubles are closer to each other than any model tells apart.
_PARTS, _ROUNDS = 8, 25

#: Real rows by which is seen which features a field decides.
_SEEN_ROWS = 32


class Search(NamedTuple):
    """Searches along fields: in each row, one field goes from its lower to its upper value.

    `columns` has the real rows, of which `fields` has the place of the field that varies.
    """

    columns: dict[str, Any]
    fields: Any
    low: Any
    high: Any

    def take(self, chosen: Any) -> "Search":
        """Return some of the searches."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Search(columns, self.fields[chosen], self.low[chosen], self.high[chosen])


class Challenge:
    """Makes rows from real ones, drawn by a seed; `real` has at most ``HELD_OUT_ROWS`` of these.

    After `at_thresholds` or `at_numbers`, `thresholds` is the number that trees have, `tried` that
    of the drawn.
    """

    def __init__(self, columns: Columns, fields: Sequence[Field], *, seed: int) -> None:
        self._fields = fields
        self._draw = np.random.default_rng(seed)
        self._columns = {
            field.name: np.array(columns[field.name], dtype=object if field.is_text else np.float64)
            for field in fields
        }
        self.thresholds = self.tried = 0
        self._size = len(self._columns[fields[0].name])
        spans = [field.span(self._columns[field.name].astype(np.float64))
                 if not field.is_text else None for field in fields]  # fmt: skip
        self._spans = {place: ends for place, ends in enumerate(spans) if ends is not None}
        chosen = np.arange(self._size)
        if self._size > HELD_OUT_ROWS:
            chosen = np.sort(self._draw.choice(self._size, HELD_OUT_ROWS, replace=False))
        self.real = {name: values[chosen] for name, values in self._columns.items()}

    @property
    def size(self) -> int:
        """The number of real rows that are compared."""
        return len(next(iter(self.real.values())))

    def turning_points(self) -> tuple[dict[str, Any], list[tuple[int, Any]]]:
        """Return rows with the turning points of each field, and a gap where it accepts one.

        Beside them is, for each row, the place of the field that varies and its value.
        """
        values: list[tuple[int, Any]] = []
        most = max(_FEWEST_POINTS, MOST_CELLS // len(self._fields) ** 2)
        for place, field in enumerate(self._fields):
            gap = [field.absent] if field.missing == "accept" else []
            points = field.turning_points(self._columns[field.name], self._draw)
            if len(points) > most and not field.words:
                some = np.sort(self._draw.choice(len(points) - _ENDS, most, replace=False))
                points = [*(points[at] for at in some), *points[-_ENDS:]]
            values += [(place, value) for value in [*points, *gap]]
        return self._varied(values), values

    def extremes(self) -> dict[str, Any]:
        """Return rows with numbers of all magnitudes in fields whose range is open, and with 0."""
        values = [
            (place, value) for place, field in enumerate(self._fields) for value in field.extremes()
        ]
        for place, field in enumerate(self._fields):
            if isinstance(field, Number) and field.read(0.0)[1] is None:
                values.append((place, 0.0))  # which has no logarithm, and nothing to divide by
        rows = self._varied(values)
        for end in (0, -1):  # all such fields at once
            together = self._some(1)
            for field in self._fields:
                if sizes := field.extremes():
                    together[field.name][:] = sizes[end]
            rows = joined(rows, together)
        return rows

    def at_thresholds(self, groups: Sequence[Splits]) -> dict[str, Any]:
        """Return rows on both sides of the thresholds of trees, at most ``MOST_THRESHOLDS``."""
        total = sum(len(group.places) for group in groups)
        rows = self._some(0)
        for group in groups:
            share = min(len(group.places), MOST_THRESHOLDS * len(group.places) // total + 1)
            chosen = np.sort(self._draw.choice(len(group.places), share, replace=False))
            part = group._replace(places=group.places[chosen], thresholds=group.thresholds[chosen])
            rows = joined(rows, self._around(self._crossings(part)))
            self.tried += share
        self.thresholds = total
        return rows

    def at_numbers(self, places: Any, numbers: Any) -> dict[str, Any]:
        """Return rows with the accepted values on both sides of numbers of fields.

        Of more than ``MOST_THRESHOLDS`` numbers so many are drawn.
        """
        self.thresholds = self.tried = len(places)
        if self.tried > MOST_THRESHOLDS:
            self.tried = MOST_THRESHOLDS
            chosen = np.sort(self._draw.choice(self.thresholds, self.tried, replace=False))
            places, numbers = places[chosen], numbers[chosen]
        return self._around(Search(self._some(len(places)), places, numbers, numbers))

    def at_jumps(self, answer: Callable[[Columns], Outputs]) -> dict[str, Any]:
        """Return rows on both sides of the greatest jumps of the answer along each number."""
        each = MOST_JUMPS // max(1, len(self._spans))
        places = [place for place in self._spans for _ in range(each)]
        if not places:
            return self._some(0)
        search = self._search(places)
        for row, place in enumerate(places):  # from a real value to the next one
            seen = self._columns[self._fields[place].name]
            seen = np.unique(seen[np.isfinite(seen)])
            at = int(self._draw.integers(max(1, len(seen) - 1)))
            search.low[row], search.high[row] = seen[at], seen[min(at + 1, len(seen) - 1)]
        return self._around(self._narrowed(search, lambda rows, _: _numbers(answer(rows))))

    def _crossings(self, group: Splits) -> Search:
        """Find for each split the double at which a field takes its feature over the threshold."""
        deciding = self._deciding(group)
        candidates = [np.flatnonzero(deciding[:, place]) for place in group.places]
        chosen = [place for place, fields in enumerate(candidates) if len(fields)]
        places, thresholds = group.places[chosen], group.thresholds[chosen]
        spanned = list(self._spans)
        fields = [spanned[int(self._draw.choice(candidates[row]))] for row in chosen]

        def is_at_most(rows: Columns, repeated: int) -> Any:
            seen = _features(group, frame(rows, self._fields))
            at = np.tile(places, repeated)
            return (seen[np.arange(len(at)), at] <= np.tile(thresholds, repeated)).reshape(-1, 1)

        search = self._narrowed(self._search(fields), is_at_most)
        ends = (is_at_most(self._at(search, end), 1) for end in (search.low, search.high))
        return search.take(np.not_equal(*ends)[:, 0])

    def _narrowed(self, search: Search, answer: Callable[[Columns, int], Any]) -> Search:
        """Narrow each search to neighbouring doubles, towards the greatest jump of an answer.

        The answers of shape (n * repeated, k) are to n rows, repeated one after the other.
        """
        low, high = search.low, search.high
        for _ in range(_ROUNDS):
            points = np.linspace(low, high, _PARTS + 1)
            repeated = Search(
                {name: np.tile(values, _PARTS + 1) for name, values in search.columns.items()},
                np.tile(search.fields, _PARTS + 1), low, high,
            )  # fmt: skip
            answers = answer(self._at(repeated, points.ravel()), _PARTS + 1)
            answers = answers.astype(np.float64).reshape(_PARTS + 1, len(low), -1)
            greatest = np.abs(np.diff(answers, axis=0)).max(axis=2).argmax(axis=0)
            rows = np.arange(len(low))
            low, high = points[greatest, rows], points[greatest + 1, rows]
            if (high <= np.nextafter(low, np.inf)).all():
                break
        return search._replace(low=low, high=high)

    def _deciding(self, group: Splits) -> Any:
        """Return which of the numbers decide which features, as booleans."""
        search = self._search([place for place in self._spans for _ in range(_SEEN_ROWS)])
        low, high = (
            _features(group, frame(self._at(search, values), self._fields))
            for values in (search.low, search.high)
        )
        is_same = np.isclose(low, high, rtol=0, atol=0, equal_nan=True)
        return ~is_same.reshape(len(self._spans), _SEEN_ROWS, -1).all(axis=1)

    def _search(self, places: Sequence[int]) -> Search:
        ends = np.array([self._spans[place] for place in places]).reshape(-1, 2)
        return Search(self._some(len(places)), np.array(places, np.intp), ends[:, 0], ends[:, 1])

    def _some(self, count: int) -> dict[str, Any]:
        chosen = self._draw.integers(self._size, size=count)
        return {name: values[chosen] for name, values in self._columns.items()}

    def _varied(self, values: Sequence[tuple[int, Any]]) -> dict[str, Any]:
        rows = self._some(len(values))
        for row, (place, value) in enumerate(values):
            rows[self._fields[place].name][row] = value
        return rows

    def _at(self, search: Search, values: Any) -> dict[str, Any]:
        rows = dict(search.columns)
        for place in np.unique(search.fields):
            name, is_here = self._fields[place].name, search.fields == place
            rows[name] = np.where(is_here, values, rows[name])
        return rows

    def _around(self, search: Search) -> dict[str, Any]:
        """Return rows with the accepted values next to where searches have ended."""
        near = [
            (row, place, value)
            for row, place in enumerate(search.fields.tolist())
            for value in self._fields[place].near(search.low[row : row + 1])
        ]
        rows = {
            name: values[[row for row, _, _ in near]] for name, values in search.columns.items()
        }
        for at, (_, place, value) in enumerate(near):
            rows[self._fields[place].name][at] = value
        return rows


def joined(*parts: Columns) -> dict[str, Any]:
    """Return the rows of some columns, one part after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _features(group: Splits, table: Any) -> Any:
    """Return what trees see of a frame, in the precision in which they compare."""
    seen = group.features(table)
    seen = np.asarray(seen.toarray() if hasattr(seen, "toarray") else seen, dtype=np.float64)
    with np.errstate(over="ignore"):
        return seen.astype(np.float32).astype(np.float64) if group.is_single else seen


def _numbers(outputs: Outputs) -> Any:
    """Return answers as numbers, a row per record; labels by their places in the alphabet."""
    if outputs.probabilities is not None:
        return np.array(outputs.probabilities)
    values = np.asarray(outputs.values)
    if values.dtype.kind in "OUS":
        values = np.unique([str(value) for value in values], return_inverse=True)[1]
    return values.astype(np.float64).reshape(-1, 1)
