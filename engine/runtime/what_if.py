"""The smallest change of a record that changes its answer: the fewest fields, then the least sum.

All changes of one field are tried, then all of two, and so on while there is time. Beyond, the
most hopeful changes are extended by a further field, and what is found is made smaller.
"""

import time
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from engine.runtime.answers import Decisions
from engine.runtime.explanation import coded, typical_row
from engine.runtime.version import StoredVersion

#: So many rows are answered at once, and so many changes at most are all tried.
_ROWS, _MOST_TRIED = 2**13, 2**22
#: So many hopeful changes are extended, by so many values of a field.
_HOPEFUL, _VALUES = 32, 64
#: So many whole numbers are tried one by one where nothing is known of a model.
_MOST_WHOLE = 2000
#: A number that reaches the goal is brought 32 times nearer to the least one, so many times.
_ROUNDS = 4

#: Tells of decisions which reach the goal, and how far each is from it.
Goal = Callable[[Decisions], tuple[Any, Any]]


class Move(NamedTuple):
    """The values to which a field may change.

    A number costs its distance from the present one, in units of the scale. Without a scale, as
    for a word or in place of a gap, any other value costs 1. The values are complete where any
    that is left out is answered as one of them that costs no more.
    """

    place: int
    now: Any
    values: Any
    scale: float
    is_complete: bool

    def costs(self, values: Any) -> Any:
        """Return what each value costs."""
        if self.scale:
            return np.abs(np.asarray(values - self.now, np.float64)) / self.scale
        return np.asarray((values != self.now) & (values == values), np.float64)


def move_of(version: StoredVersion, row: Any, place: int, low: float, high: float) -> Move:
    """Return how a field of a record may change; numbers stay between two ends."""
    field, now = version.schema.fields[place], row[place]
    if field.classes is not None:
        values = np.array([coded(field, label) for label in field.classes])
        return Move(place, now, values[values != now], 0.0, is_complete=True)
    assert version.reference is not None
    entry = version.reference.fields.get(field.name)
    sample, usual = np.array(entry.sample if entry else ()), typical_row(version, row)[place]
    points = version.turning_points.get(place)
    ends = np.array([end for end in (low, high) if np.isfinite(end)])
    turns = ends if points is None else np.concatenate([points, np.nextafter(points, np.inf), ends])
    # Between the training rows' own values, none of which is shown.
    quantiles = np.quantile(sample, np.linspace(0, 1, _VALUES)) if len(sample) else ends[:0]
    turns = np.concatenate([turns, (quantiles[1:] + quantiles[:-1]) / 2, [usual]])
    are_few = getattr(field, "integer", False) and high - low <= _MOST_WHOLE
    whole = np.arange(np.ceil(low), high + 1) if are_few else ends[:0]
    values = np.unique(np.concatenate([field.near(turns), whole]))
    values = values[(values >= low) & (values <= high) & (values != now)]
    spread = _spread(sample)
    move = Move(place, now, values, spread if now == now else 0.0, points is not None or are_few)
    return move if points is None else move._replace(values=_cheapest(move, points))


def _spread(sample: Any) -> float:
    """Return the span of the middle four fifths, of all where that is none, and 1 at last."""
    if not len(sample):
        return 1.0
    return float(np.diff(np.quantile(sample, (0.1, 0.9)))[0] or np.ptp(sample) or 1.0)


def _cheapest(move: Move, points: Any) -> Any:
    """Return the cheapest value between each two turning points."""
    values = move.values[np.argsort(move.costs(move.values), kind="stable")]
    return np.sort(values[np.unique(np.searchsorted(points, values), return_index=True)[1]])


class Search:
    """Searches among the moves of a record for some seconds."""

    def __init__(
        self, version: StoredVersion, row: Any, moves: Sequence[Move], goal: Goal, *, seconds: float
    ) -> None:
        self._version, self._row, self._goal = version, row, goal
        self._moves = [move for move in moves if len(move.values)]
        self._is_complete = all(move.is_complete for move in moves)
        self._end = time.monotonic() + seconds

    def find(self) -> tuple[Any, bool]:
        """Return the smallest changed row that was found, if any, and whether that is proven."""
        beam, is_proven = self._row[None], self._is_complete
        if self._ask(beam)[0][0]:
            return self._row, True
        # How many changes of one field there are, of two, and so on.
        totals = np.ones(1)
        for move in self._moves:
            totals = np.convolve(totals, [1, len(move.values)])
        for size, total in enumerate(totals[1:].tolist(), start=1):
            hits, is_tried = self._try_all(size) if self._can_try(total) else (beam[:0], False)
            is_proven = is_proven and is_tried
            if not len(hits) and not (is_tried and size == len(self._moves)):
                beam, hits = self._extended(beam)
            if len(hits):
                return self._smallest(hits, is_proven=is_proven), is_proven
            if not self._has_time(1):
                return None, False
        return None, is_proven

    def cost(self, rows: Any) -> Any:
        """Return the sum of what the fields of each of n rows cost."""
        return sum((move.costs(rows[:, move.place]) for move in self._moves), np.zeros(len(rows)))

    def _ask(self, rows: Any) -> tuple[Any, Any]:
        return self._goal(self._version.decide_matrix(rows))

    def _has_time(self, rows: int) -> bool:
        return time.monotonic() + self._version.seconds(rows) < self._end

    def _can_try(self, total: float) -> bool:
        return total <= _MOST_TRIED and self._has_time(2 * int(total))

    def _try_all(self, size: int) -> tuple[Any, bool]:
        """Return the smallest change of each set of so many fields, and whether all were tried.

        Where these are proven to be the smallest, those that are larger than others are left out.
        """
        hits, least = [self._row[None][:0]], np.inf
        for moves in combinations(self._moves, size):
            costs = reduce(np.add.outer, [move.costs(move.values) for move in moves])
            order = np.argsort(costs, axis=None, kind="stable")
            order = order[costs.ravel()[order] < least]
            for start in range(0, len(order), _ROWS):
                part = order[start : start + _ROWS]
                rows = np.tile(self._row, (len(part), 1))
                for move, at in zip(moves, np.unravel_index(part, costs.shape), strict=True):
                    rows[:, move.place] = move.values[at]
                is_hit = self._ask(rows)[0]
                if is_hit.any():
                    first = int(is_hit.argmax())
                    hits.append(rows[first : first + 1])
                    least = costs.ravel()[part[first]] if self._is_complete else np.inf
                    break
                if not self._has_time(1):
                    return np.concatenate(hits), False
        return np.concatenate(hits), True

    def _extended(self, beam: Any) -> tuple[Any, Any]:
        """Change a further field of hopeful changes; return the most hopeful, and hits."""
        parts = [beam[:0]]
        for move in self._moves:
            free = beam[move.costs(beam[:, move.place]) == 0]
            some = np.linspace(0, len(move.values) - 1, min(_VALUES, len(move.values)))
            values = move.values[some.astype(np.intp)]
            rows = np.repeat(free, len(values), axis=0)
            rows[:, move.place] = np.tile(values, len(free))
            parts.append(rows)
        rows = np.concatenate(parts)
        if not len(rows) or not self._has_time(len(rows)):
            return beam, beam[:0]
        hits, distances = self._ask(rows)
        costs, fields = self.cost(rows), np.repeat(np.arange(len(parts)), [*map(len, parts)])
        hopeful = rows[np.lexsort((costs, distances))[:_HOPEFUL]]
        # The cheapest of each field that was changed last: another may become smaller.
        order = np.flatnonzero(hits)[np.argsort(costs[hits], kind="stable")]
        return hopeful, rows[order[np.unique(fields[order], return_index=True)[1]]]

    def _smallest(self, hits: Any, *, is_proven: bool) -> Any:
        """Return the smallest of changes: of the fewest fields, the cheapest."""
        hits = hits[np.argsort(self.cost(hits), kind="stable")][:_HOPEFUL]
        if is_proven:
            return hits[0]
        hits = np.stack([self._made_smaller(row) for row in hits])
        counts = sum(move.costs(hits[:, move.place]) > 0 for move in self._moves)
        return hits[np.lexsort((self.cost(hits), counts))[0]]

    def _made_smaller(self, row: Any) -> Any:
        """Move the changed fields back, one after the other, as far as the goal allows."""
        for move in self._moves * 2:
            field, less = self._version.schema.fields[move.place], move.now
            for _ in range(_ROUNDS):
                ends = less, row[move.place]
                near = field.near(np.linspace(*ends, 33) if move.scale else move.values)
                values = np.concatenate([[move.now], move.values, near])
                costs, own = move.costs(values), move.costs(row[move.place])
                order = np.argsort(costs, kind="stable")[: int((costs < own).sum())]
                rows = np.tile(row, (len(order), 1))
                rows[:, move.place] = values[order]
                if not len(rows) or not self._has_time(len(rows)):
                    break
                if not (hits := self._ask(rows)[0]).any():
                    break
                first = int(hits.argmax())
                row, less = rows[first], rows[max(0, first - 1), move.place]
        return row
