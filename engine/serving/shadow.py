"""A candidate that answers in silence: its answers are compared and counted.

One thread compares, behind a queue. What does not fit into the queue is dropped
and counted: no answer ever waits.
"""

import atexit
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from engine.runtime.answers import Decisions, Prediction
from engine.runtime.tolerance import share_of_allowed
from engine.runtime.version import StoredVersion, non_finite_rows
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from engine.serving.observers import Decided
from persistence.promotions import Candidate

_log = logging.getLogger(__name__)

#: Bytes that wait in the queue at most.
MOST_BYTES = 16 * 2**20

#: Bytes that an item of the queue takes beside its numbers.
_ITEM_BYTES = 1000

#: The thread ends when the queue was empty for so many seconds.
_IDLE_SECONDS = 5.0

#: A process that ends waits so many seconds for the comparison in progress.
_END_SECONDS = 1.0


class _Item(NamedTuple):
    promoted: StoredVersion
    candidate: Candidate
    matrix: Any
    decisions: Decisions
    size: int


class Shadow:
    """Lets candidates answer what promoted versions have answered, and counts the differences."""

    def __init__(self, models: ModelCache, metrics: Metrics) -> None:
        self._models = models
        self._metrics = metrics
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._failed: Candidate | None = None

    def decided(self, batch: Sequence[Decided]) -> None:
        """Have answers compared later, or never, where a shadow is to answer, too."""
        for decided in batch:
            if (candidate := decided.chosen.shadow) is not None:
                self._offer(decided, candidate)

    def _offer(self, decided: Decided, candidate: Candidate) -> None:
        promoted, decisions = decided.chosen.version, decided.decisions
        if isinstance(decisions, Prediction):
            decisions = _decisions(promoted, decisions)
        # A copy: the matrix may be a part of a larger one, which need not stay in memory.
        matrix = np.array(decided.matrix)
        values = matrix.flat if matrix.dtype == object else ()
        texts = sum(len(value) for value in values if isinstance(value, str))
        size = _ITEM_BYTES + matrix.nbytes + 4 * texts + sum(map(_bytes_of, decisions))
        item = _Item(promoted, candidate, matrix, decisions, size)
        with self._lock:
            has_room = self._bytes + size <= MOST_BYTES
            if has_room:
                self._bytes += size
                self._queue.put(item)
                self._start()
        if not has_room:
            self._count(item, dropped=len(item.matrix))

    def _start(self) -> None:
        """Start the thread unless it runs."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
            self._thread.start()
            atexit.register(self._end)

    def _end(self) -> None:
        """Let the thread end before the libraries that it uses do."""
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._compare(item)
            except Exception as error:  # noqa: BLE001  a candidate may fail in any way
                self._fail(item, len(item.matrix), error)
            with self._lock:
                self._bytes -= item.size

    def _next(self) -> _Item | None:
        """Wait for something to compare; None when the thread is to end."""
        with suppress(Empty):
            return self._queue.get(timeout=_IDLE_SECONDS)
        with self._lock:
            if self._queue.empty():
                self._thread = None
                atexit.unregister(self._end)
                return None
        return self._queue.get()

    def _compare(self, item: _Item) -> None:
        name = item.promoted.name
        served = self._models.served(name)
        pair = (served.version, served.candidate) if served else None
        if pair != (item.promoted.version, item.candidate):  # the trial has ended since
            self._count(item, dropped=len(item.matrix))
            return
        candidate = self._models.get_candidate(name, item.candidate)
        if candidate is None:
            self._fail(item, len(item.matrix), None)
            return
        decisions = candidate.decide_matrix(item.matrix)
        is_other, distance = differences(item.promoted, item.decisions, candidate, decisions)
        finite = np.ones(len(item.matrix), dtype=bool)
        finite[non_finite_rows(decisions)] = False
        if not finite.all():
            self._fail(item, int((~finite).sum()), ArithmeticError("an answer is not finite"))
        largest = float(distance[finite].max(initial=0.0))
        differing = int(is_other[finite].sum())
        self._count(item, largest, records=int(finite.sum()), differences=differing)

    def _count(self, item: _Item, largest: float = 0.0, **counts: int) -> None:
        name, version = item.promoted.name, item.candidate.version
        self._metrics.count_shadow(name, version, counts, largest=largest)

    def _fail(self, item: _Item, records: int, error: Exception | None) -> None:
        self._count(item, failures=records)
        if error is not None and self._failed != item.candidate:
            self._failed = item.candidate
            names = item.candidate.version, item.promoted.name
            _log.error("the shadow %s of %s fails", *names, exc_info=error)


def differences(
    old: StoredVersion, old_decisions: Decisions, new: StoredVersion, new_decisions: Decisions
) -> tuple[Any, Any]:
    """Compare the answers of two versions to the same n records.

    Return two arrays of shape (n,): whether the labels differ, or the numbers by more
    than `TOLERANCE` of the spread on the old version's card; and the largest difference of a
    probability, or that of the numbers, 0 where there are only labels.
    """
    if old_decisions.chosen is None or new_decisions.chosen is None:
        before, after = old_decisions.numbers, new_decisions.numbers
        return share_of_allowed(after, before, old.card.get("spread")) > 1, np.abs(before - after)
    old_classes, new_classes = old.card["classes"], new.card["classes"]
    pairs = zip(old_decisions.chosen, new_decisions.chosen, strict=True)
    is_other = np.array([old_classes[a] != new_classes[b] for a, b in pairs], dtype=bool)
    if old_decisions.probabilities is None or new_decisions.probabilities is None:
        return is_other, np.zeros(len(is_other))
    classes = [*old_classes, *(name for name in new_classes if name not in old_classes)]
    apart = _spread(old_decisions.probabilities, old_classes, classes)
    apart -= _spread(new_decisions.probabilities, new_classes, classes)
    return is_other, np.abs(apart).max(axis=1)


def _bytes_of(answers: Any) -> int:
    return 8 * len(answers) if isinstance(answers, list) else getattr(answers, "nbytes", 0)


def _spread(probabilities: Any, classes: Sequence[Any], columns: Sequence[Any]) -> Any:
    """Return probabilities with a column for each of some classes; 0 where there was none."""
    spread = np.zeros((len(probabilities), len(columns)))
    spread[:, [columns.index(name) for name in classes]] = probabilities
    return spread


def _decisions(version: StoredVersion, prediction: Prediction) -> Decisions:
    """Return the answer for a record in the form of those for many."""
    classes = version.card["classes"]
    if classes is None:
        return Decisions(None, np.array([prediction.value]), None)
    probabilities = prediction.probabilities
    shares = None if probabilities is None else np.array([probabilities])
    return Decisions([classes.index(prediction.value)], None, shares)
