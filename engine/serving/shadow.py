"""A candidate that answers in silence: what it would have said, compared and counted.

One thread does it, behind a queue. What does not fit is dropped and counted:
no answer ever waits.
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
from engine.runtime.version import TOLERANCE, StoredVersion, endless
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from persistence.promotions import Candidate

_log = logging.getLogger(__name__)

#: Bytes that wait at most.
MOST_BYTES = 16 * 2**20

#: What a record that waits alone takes beside its numbers.
_ITEM_BYTES = 1000

#: The thread ends when nothing has come for so many seconds.
_IDLE_SECONDS = 5.0

#: Seconds that a process that ends gives the comparison at hand.
_END_SECONDS = 1.0


class _Answered(NamedTuple):
    promoted: StoredVersion
    candidate: Candidate
    matrix: Any
    found: Decisions
    size: int


class Shadow:
    """Lets candidates answer what promoted versions have answered.

    Parameters
    ----------
    models : ModelCache
        Where the candidates are held.
    metrics : Metrics
        Where the differences are counted.
    """

    def __init__(self, models: ModelCache, metrics: Metrics) -> None:
        self._models = models
        self._metrics = metrics
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Answered | None] = SimpleQueue()
        self._held = 0
        self._thread: threading.Thread | None = None
        self._failed: Candidate | None = None

    def offer(
        self, promoted: StoredVersion, candidate: Candidate, matrix: Any,
        found: Prediction | Decisions,
    ) -> None:  # fmt: skip
        """Have answers compared later, or never; takes some microseconds."""
        decisions = found if isinstance(found, Decisions) else _decisions(promoted, found)
        size = _ITEM_BYTES + matrix.nbytes + sum(map(_bytes_of, decisions))
        # A copy: the matrix may be a part of a larger one, which need not be held.
        one = _Answered(promoted, candidate, np.array(matrix), decisions, size)
        with self._lock:
            has_room = self._held + size <= MOST_BYTES
            if has_room:
                self._held += size
                self._queue.put(one)
                self._start()
        if not has_room:
            counts = {"dropped": len(matrix)}
            self._metrics.count_shadow(promoted.name, candidate.version, counts)

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
        while (one := self._next()) is not None:
            try:
                self._compare(one)
            except Exception as error:  # noqa: BLE001  a candidate may fail in any way
                self._fail(one, len(one.matrix), error)
            with self._lock:
                self._held -= one.size

    def _next(self) -> _Answered | None:
        """Wait for something to compare; None when the thread is to end."""
        with suppress(Empty):
            return self._queue.get(timeout=_IDLE_SECONDS)
        with self._lock:
            if self._queue.empty():
                self._thread = None
                atexit.unregister(self._end)
                return None
        return self._queue.get()

    def _compare(self, one: _Answered) -> None:
        name = one.promoted.name
        known = self._models.served(name)
        pair = (known.version, known.candidate) if known else None
        if pair != (one.promoted.version, one.candidate):  # it has ended since
            self._metrics.count_shadow(name, one.candidate.version, {"dropped": len(one.matrix)})
            return
        candidate = self._models.candidates.get(name, one.candidate)
        if candidate is None:
            self._fail(one, len(one.matrix), None)
            return
        found = candidate.decide_matrix(one.matrix)
        is_other, distance = differences(one.promoted, one.found, candidate, found)
        finite = np.ones(len(one.matrix), dtype=bool)
        finite[endless(found)] = False
        if not finite.all():
            self._fail(one, int((~finite).sum()), ArithmeticError("an answer is not finite"))
        self._metrics.count_shadow(
            candidate.name, candidate.version,
            {"records": int(finite.sum()), "differences": int(is_other[finite].sum())},
            largest=float(distance[finite].max(initial=0.0)),
        )  # fmt: skip

    def _fail(self, one: _Answered, records: int, error: Exception | None) -> None:
        counts = {"failures": records}
        self._metrics.count_shadow(one.promoted.name, one.candidate.version, counts)
        if error is not None and self._failed != one.candidate:
            self._failed = one.candidate
            named = one.candidate.version, one.promoted.name
            _log.error("the shadow %s of %s fails", *named, exc_info=error)


def differences(
    one: StoredVersion, ours: Decisions, other: StoredVersion, theirs: Decisions
) -> tuple[Any, Any]:
    """Compare the answers of two versions to the same records.

    Returns
    -------
    is_other : ndarray of shape (n,) of bool
        Whether the labels differ, or the numbers by more than `TOLERANCE`, of
        themselves or of 1.
    distance : ndarray of shape (n,)
        The largest difference of a probability, or that of the numbers; 0
        where there are only labels.
    """
    if ours.chosen is None or theirs.chosen is None:
        distance = np.abs(ours.numbers - theirs.numbers)
        scale = np.maximum(np.abs(ours.numbers), np.abs(theirs.numbers))
        return distance > TOLERANCE * np.maximum(scale, 1.0), distance
    before, after = one.card["classes"], other.card["classes"]
    pairs = zip(ours.chosen, theirs.chosen, strict=True)
    is_other = np.array([before[a] != after[b] for a, b in pairs], dtype=bool)
    if ours.probabilities is None or theirs.probabilities is None:
        return is_other, np.zeros(len(is_other))
    classes = [*before, *(name for name in after if name not in before)]
    apart = _spread(ours.probabilities, before, classes)
    apart -= _spread(theirs.probabilities, after, classes)
    return is_other, np.abs(apart).max(axis=1)


def _bytes_of(answers: Any) -> int:
    return 8 * len(answers) if isinstance(answers, list) else getattr(answers, "nbytes", 0)


def _spread(probabilities: Any, classes: Sequence[Any], wanted: Sequence[Any]) -> Any:
    """Give probabilities a column for each class that is wanted; 0 where there was none."""
    found = np.zeros((len(probabilities), len(wanted)))
    found[:, [wanted.index(name) for name in classes]] = probabilities
    return found


def _decisions(version: StoredVersion, found: Prediction) -> Decisions:
    """Give the answer for one record as those for many."""
    classes = version.card["classes"]
    if classes is None:
        return Decisions(None, np.array([found.value]), None)
    shares = None if found.probabilities is None else np.array([found.probabilities])
    return Decisions([classes.index(found.value)], None, shares)
