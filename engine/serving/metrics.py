"""What is counted; `engine.api.prometheus` shows it.

Labels are names of ours: routes as they are written in the code, models,
versions, fields and classes from the cards. Nothing that a client writes
becomes a label, since each new label would take memory for ever.
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from engine.runtime.answers import Decisions, Prediction
from engine.runtime.version import StoredVersion
from engine.serving.observers import Decided, Rest
from engine.serving.shared_counters import Count, Key, SharedCounters

#: Upper ends of the latency's buckets, in seconds; a last bucket takes what is slower.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: A label for what has no name of ours.
OTHER, NONE = "(other)", "(none)"

REQUESTS, DURATION = "http_requests", "http_request_duration_seconds"
IN_FLIGHT, REJECTIONS = "http_requests_in_flight", "http_rejections"
PREDICTIONS, INVALID = "model_predictions", "model_validation_errors"
TRAINED, WORKERS = "model_trained", "worker_processes"
SWAPS, SWAPPING, REFUSED = "model_swaps", "model_swap_seconds", "model_refused"
ERRORS, FALLBACKS = "model_errors", "fast_path_fallbacks"
SHADOW, SHADOW_LARGEST = "model_shadow", "model_shadow_largest_difference"
DEATHS, UNLOGGED = "worker_deaths", "prediction_log_unlogged"

#: What a process counts of itself; it goes when the process does.
OF_THE_LIVING = {IN_FLIGHT, TRAINED, WORKERS, REFUSED}


class Metrics:
    """Counts, in memory that gunicorn's workers share.

    Parameters
    ----------
    loaded, refused : callable
        List the versions in memory, and the models and versions that are refused.
    slots : int
        Processes that count side by side at most.
    reasons : mapping of int to str
        Why a request was refused, by the status of its answer.
    """

    def __init__(
        self,
        loaded: Callable[[], Iterable[StoredVersion]],
        refused: Callable[[], Iterable[tuple[str, str | None]]],
        *,
        slots: int = 1,
        reasons: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        self._loaded = loaded
        self._refused = refused
        self._reasons = reasons
        self.tallies = SharedCounters(slots, widths={DURATION: len(BUCKETS) + 2})
        self.master = os.getpid()  # under gunicorn, the master makes this
        self._shown: set[Key] = set()
        self.set_in_flight(threads=0, waiting=0)

    def free_slot(self, taken: Iterable[int]) -> int:
        """Choose a slot for the next worker; the first is the master's own."""
        free = {*range(1, self.tallies.slots)} - {*taken}
        return min(free, default=self.tallies.slots - 1)  # two share it then, and may lose some

    def begin(self, slot: int) -> None:
        """Count in a slot, as the worker that this process is."""
        self.tallies.clear(slot, OF_THE_LIVING)
        self.tallies.use(slot)
        self._shown = set()
        self.tallies.put((WORKERS,), 1)
        self.set_in_flight(threads=0, waiting=0)

    def end(self, slot: int) -> None:
        """Forget what a worker that has ended counted of itself."""
        self.tallies.clear(slot, OF_THE_LIVING)

    def set_in_flight(self, *, threads: int, waiting: int) -> None:
        """Set how much is in flight here, and which versions are in memory."""
        self.tallies.put((IN_FLIGHT, "thread"), threads)
        self.tallies.put((IN_FLIGHT, "waiting"), waiting)
        self.set_versions()

    def set_versions(self) -> None:
        """Set which versions are in memory here and when they were trained, and which refused."""
        loaded = {(TRAINED, version.name, version.version): version for version in self._loaded()}
        refused = {(REFUSED, name, version or NONE) for name, version in self._refused()}
        shown = {*loaded, *refused}
        for key in self._shown - shown:
            self.tallies.put(key, 0)
        for key in shown - self._shown:
            version = loaded.get(key)
            date = version and datetime.fromisoformat(version.card["created_at"])
            self.tallies.put(key, date.timestamp() if date else 1)
        self._shown = shown

    def decided(self, batch: Sequence[Decided]) -> Rest | None:
        """Count the predictions of answers, by class, once they are certain."""
        counts: list[Count] = []
        for decided in batch:
            _add_predictions(counts, decided.chosen.version, decided.decisions)
        return partial(self.tallies.add, counts)

    def count_requests(
        self, route: str, method: str, status: int, *, seconds: float, count: int = 1
    ) -> None:
        """Count requests that were answered together, each in so many seconds."""
        duration = (DURATION, route)
        self.tallies.add(
            (
                ((REQUESTS, route, method, status), 0, count),
                (duration, bisect_left(BUCKETS, seconds), count),
                (duration, len(BUCKETS) + 1, seconds * count),
            )
        )

    def count_fallback(self, reason: str) -> None:
        """Count a request that the fast path left to the threads after a step has failed."""
        self.tallies.add([((FALLBACKS, reason), 0, 1)])

    def count_swap(self, name: str, seconds: float) -> None:
        """Count that another version of a model is served here, and how long that took."""
        self.tallies.add((((SWAPS, name), 0, 1), ((SWAPPING, name), 0, seconds)))

    def count_shadow(
        self, name: str, version: str, counts: Mapping[str, int], *, largest: float = 0.0
    ) -> None:
        """Count the ``records``, ``differences``, ``failures`` or ``dropped`` of a shadow."""
        self.tallies.add(((f"{SHADOW}_{what}", name, version), 0, n) for what, n in counts.items())
        if largest:
            self.tallies.raise_to((SHADOW_LARGEST, name, version), largest)

    def count_invalid(self, version: StoredVersion, problems: Sequence[Any]) -> None:
        """Count the problems of records, by the field that their pointers name."""
        names = {field.name for field in version.schema.fields}
        counts = Counter((_field(problem.pointer, names), problem.code) for problem in problems)
        self.tallies.add(
            ((INVALID, version.name, field, code), 0, n) for (field, code), n in counts.items()
        )

    def count_error(self, version: StoredVersion) -> None:
        """Count a request that a version has failed to answer."""
        self.tallies.add([((ERRORS, version.name, version.version), 0, 1)])

    def count_refused(self, status: int, reason: str | None = None) -> None:
        """Count a request that never reached a route, answered with a status."""
        self.tallies.add([((REQUESTS, NONE, NONE, status), 0, 1)])
        self.count_rejection(status, reason)

    def count_death(self, reason: str) -> None:
        """Count a worker that has died, by the signal or the exit status."""
        self.tallies.add([((DEATHS, reason), 0, 1)])

    def count_unlogged(self, reason: str, predictions: int) -> None:
        """Count predictions that should be in the log, and are not."""
        self.tallies.add([((UNLOGGED, reason), 0, predictions)])

    def refused_of(self, model: str) -> tuple[int, Counter[tuple[str, str]]]:
        """Return how many requests a model has failed to answer, and what was wrong with others.

        Problems of records count by field and code, since the service started.
        """
        errors, problems = 0, Counter[tuple[str, str]]()
        for (kind, *labels), numbers in self.tallies.read():
            if kind == INVALID and labels[0] == model:
                problems[str(labels[1]), str(labels[2])] += int(numbers[0])
            elif kind == ERRORS and labels[0] == model:
                errors += int(numbers[0])
        return errors, problems

    def count_rejection(self, status: int, reason: str | None = None) -> None:
        """Count why a request was refused: a reason, or what the status tells."""
        reason = reason or self._reasons.get(status) or (OTHER if 400 <= status < 500 else None)
        if reason:
            self.tallies.add([((REJECTIONS, reason), 0, 1)])


def _add_predictions(
    counts: list[Count], version: StoredVersion, decisions: Prediction | Decisions
) -> None:
    """Add the predictions of a version to counts, by class; None for a number."""
    classes = version.card["classes"]
    if isinstance(decisions, Prediction):
        label = None if classes is None else decisions.value
        counts.append(((PREDICTIONS, version.name, version.version, label), 0, 1))
    elif decisions.chosen is None:
        counts.append(((PREDICTIONS, version.name, version.version, None), 0, decisions.size))
    else:
        for place, count in Counter(decisions.chosen).items():
            key = (PREDICTIONS, version.name, version.version, classes[place])
            counts.append((key, 0, count))


def _field(pointer: str, names: set[str]) -> str:
    """Find the field's name in a JSON pointer."""
    steps = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    return next((step for step in steps if step in names), OTHER)
