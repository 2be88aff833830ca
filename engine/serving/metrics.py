"""What is counted, and the hooks that count it; `engine.api.prometheus` shows it.

Labels are names of ours: routes as they are written in the code, models,
versions, fields and classes from the cards. Nothing that a client writes
becomes a label, since each new one would take memory for ever.
"""

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Flask, Response, current_app, g, has_request_context, request

from engine.runtime.answers import Decisions, Prediction
from engine.runtime.version import StoredVersion
from engine.serving.model_cache import ModelCache
from engine.serving.shared_counters import Count, Key, SharedCounters

#: Upper ends of the latency's buckets, in seconds; a last one takes what is slower.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: A label for what has no name of ours.
OTHER, NONE = "(other)", "(none)"

REQUESTS, DURATION = "http_requests", "http_request_duration_seconds"
IN_FLIGHT, REJECTIONS = "http_requests_in_flight", "http_rejections"
PREDICTIONS, INVALID = "model_predictions", "model_validation_errors"
TRAINED, BACKLOG, WORKERS = "model_trained", "prediction_log_backlog", "worker_processes"
SWAPS, SWAPPING, REFUSED = "model_swaps", "model_swap_seconds", "model_refused"
ERRORS = "model_errors"
SHADOW, SHADOW_LARGEST = "model_shadow", "model_shadow_largest_difference"
DEATHS = "worker_deaths"

#: What a process says of itself; it goes when the process does.
OF_THE_LIVING = {IN_FLIGHT, TRAINED, BACKLOG, WORKERS, REFUSED}

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Metrics:
    """Counts, in memory that gunicorn's workers share.

    Parameters
    ----------
    models : ModelCache
        Asked what is in memory.
    slots : int
        Processes that count side by side at most.
    reasons : mapping of int to str
        Why a request was refused, by the status of its answer.

    Attributes
    ----------
    master : int
        The process that has made this: under gunicorn, the master.
    """

    def __init__(
        self, models: ModelCache, *, slots: int = 1, reasons: Mapping[int, str] | None = None
    ) -> None:
        self.models = models
        self._reasons = reasons or {}
        self.tallies = SharedCounters(slots, widths={DURATION: len(BUCKETS) + 2})
        self.master = os.getpid()
        self._told: set[Key] = set()
        self.set_backlog(0)
        self.tell(threads=0, waiting=0)

    def free_slot(self, taken: Iterable[int]) -> int:
        """Choose a slot for the next worker; the first is the master's own."""
        free = {*range(1, self.tallies.slots)} - {*taken}
        return min(free, default=self.tallies.slots - 1)  # two share it then, and may lose some

    def begin(self, slot: int) -> None:
        """Count in a slot, as the worker that this process is."""
        self.tallies.clear(slot, OF_THE_LIVING)
        self.tallies.use(slot)
        self._told = set()
        self.tallies.put((WORKERS,), 1)
        self.tell(threads=0, waiting=0)

    def end(self, slot: int) -> None:
        """Forget what a worker that has ended said of itself."""
        self.tallies.clear(slot, OF_THE_LIVING)

    def tell(self, *, threads: int, waiting: int) -> None:
        """Say what is in flight here, and which versions are in memory."""
        self.tallies.put((IN_FLIGHT, "thread"), threads)
        self.tallies.put((IN_FLIGHT, "waiting"), waiting)
        self.tell_versions()

    def tell_versions(self) -> None:
        """Say which versions are in memory here and when they were trained, and which refused."""
        found = {(TRAINED, one.name, one.version): one for one in self.models.in_memory()}
        refused = {
            (REFUSED, name, one.version or NONE)
            for name in self.models.names()
            if (one := self.models.refused(name))
        }
        refused |= {(REFUSED, *one) for one in self.models.candidates.refused()}
        for key in self._told - found.keys() - refused:
            self.tallies.put(key, 0)
        for key in found.keys() - self._told:
            at = datetime.fromisoformat(found[key].card["created_at"])
            self.tallies.put(key, at.timestamp())
        for key in refused - self._told:
            self.tallies.put(key, 1)
        self._told = {*found, *refused}

    def set_backlog(self, records: int) -> None:
        """Say how many predictions wait here to be written to the log."""
        self.tallies.put((BACKLOG,), records)

    def count_at_once(self, routes: Mapping[str, int], seconds: float, others: list[Count]) -> None:
        """Count POSTs answered together, by route, and whatever else they bring about."""
        for route, count in routes.items():
            others += _of_requests(route, "POST", 200, seconds, count)
        self.tallies.add(others)

    def count_predictions(self, version: StoredVersion, classes: Mapping[Any, int]) -> None:
        """Count what a version has answered, by class; None for a number."""
        self.tallies.add(
            ((PREDICTIONS, version.name, version.version, label), 0, count)
            for label, count in classes.items()
        )

    def count_swap(self, name: str, seconds: float) -> None:
        """Count that another version of a model is served here, and how long that took."""
        self.tallies.add((((SWAPS, name), 0, 1), ((SWAPPING, name), 0, seconds)))

    def count_shadow(
        self, name: str, version: str, counts: Mapping[str, int], *, largest: float = 0.0
    ) -> None:
        """Count what a candidate has answered in silence.

        Parameters
        ----------
        counts : mapping of str to int
            How many ``records``, ``differences``, ``failures`` or ``dropped``.
        largest : float
            The largest difference among them.
        """
        self.tallies.add(((f"{SHADOW}_{what}", name, version), 0, n) for what, n in counts.items())
        if largest:
            self.tallies.raise_to((SHADOW_LARGEST, name, version), largest)

    def count_invalid(self, name: str | None, version: str | None, found: Sequence[Any]) -> None:
        """Count the problems of records, by the field that their pointers name."""
        asked = self.models.loaded(name, version)
        if asked is None:
            return
        names = {one.name for one in asked.schema.fields}
        counts = Counter((_field(one.pointer, names), one.code) for one in found)
        self.tallies.add(
            ((INVALID, asked.name, field, code), 0, n) for (field, code), n in counts.items()
        )

    def count_refused(self, status: int, reason: str | None = None) -> None:
        """Count a request that never reached a route, answered with a status."""
        self.tallies.add([((REQUESTS, NONE, NONE, status), 0, 1)])
        self._reject(status, reason)

    def count_death(self, reason: str) -> None:
        """Count a worker that has died, by the signal or the exit status."""
        self.tallies.add([((DEATHS, reason), 0, 1)])

    def _reject(self, status: int, reason: str | None) -> None:
        if (
            reason := reason
            or self._reasons.get(status)
            or (OTHER if 400 <= status < 500 else None)
        ):
            self.tallies.add([((REJECTIONS, reason), 0, 1)])

    def start(self) -> None:
        """Note when Flask got a request."""
        g.begun = time.perf_counter()

    def finish(self, answer: Response) -> Response:
        """Count a request that Flask has answered."""
        seconds = time.perf_counter() - g.begun
        route = request.url_rule.rule if request.url_rule else NONE
        method = request.method if request.method in _METHODS else OTHER
        self.tallies.add(_of_requests(route, method, answer.status_code, seconds, 1))
        if answer.status_code >= 500 and (version := g.get("answering")):
            self.tallies.add([((ERRORS, *version), 0, 1)])
        if answer.status_code >= 400:
            self._reject(answer.status_code, g.get("rejection"))
        return answer


def init_app(app: Flask, models: ModelCache, *, slots: int, reasons: Mapping[int, str]) -> Metrics:
    """Count every request of an application; to be called before other hooks are added."""
    found = app.extensions["metrics"] = Metrics(models, slots=slots, reasons=reasons)
    app.before_request(found.start)
    app.after_request(found.finish)
    return found


def count_rejection(reason: str) -> None:
    """Say why the request at hand is refused, where its status does not say enough.

    Parameters
    ----------
    reason : str
        A word of ours, such as ``overloaded``; nothing that a client writes.
    """
    g.rejection = reason


def count_predictions(version: StoredVersion, found: Prediction | Decisions | Counter[Any]) -> None:
    """Count what a version has answered to the request at hand."""
    if has_request_context():
        g.served = version.name, version.version
        classes = found if isinstance(found, Counter) else classes_of(version, found)
        current_app.extensions["metrics"].count_predictions(version, classes)


def count_invalid(asked_for: tuple[str | None, str | None], problems: Sequence[Any]) -> None:
    """Count the problems of the records of the request at hand."""
    if has_request_context():
        current_app.extensions["metrics"].count_invalid(*asked_for, problems)


def classes_of(version: StoredVersion, found: Prediction | Decisions) -> Counter[Any]:
    """Count predictions by class, or by None where they are numbers."""
    classes = version.card["classes"]
    if isinstance(found, Prediction):
        return Counter([None if classes is None else found.value])
    if found.chosen is None:
        return Counter({None: found.size})
    return Counter({classes[place]: count for place, count in Counter(found.chosen).items()})


def note_predicted(counts: list[Count], version: StoredVersion, found: Any) -> None:
    """Add a `Prediction` or `Decisions` to the counts for `Metrics.count_at_once`."""
    if isinstance(found, Prediction):
        label = None if version.card["classes"] is None else found.value
        counts.append(((PREDICTIONS, version.name, version.version, label), 0, 1))
        return
    for label, count in classes_of(version, found).items():
        counts.append(((PREDICTIONS, version.name, version.version, label), 0, count))


def _of_requests(
    route: str, method: str, status: int, seconds: float, count: int
) -> tuple[Count, ...]:
    duration = (DURATION, route)
    return (
        ((REQUESTS, route, method, status), 0, count),
        (duration, bisect_left(BUCKETS, seconds), count),
        (duration, len(BUCKETS) + 1, seconds * count),
    )


def _field(pointer: str, names: set[str]) -> str:
    """Find the field's name in a JSON pointer."""
    steps = (one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:])
    return next((one for one in steps if one in names), OTHER)
