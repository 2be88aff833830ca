"""A thread that sees, in each worker, when another version is promoted."""

import logging
import threading
import time
from pathlib import Path

from engine.runtime.memory import give_back
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from persistence.atomic_files import locked
from persistence.store_errors import UntrustedArtifact

_log = logging.getLogger(__name__)

#: Seconds between two looks at the pointers.
LOOK_SECONDS = 0.5

#: Seconds that a worker waits for another that reads a version; then both read.
MOST_PATIENCE = 1.0

#: The longest pause, in seconds, while the store does not answer.
_LONGEST_PAUSE = 10.0


class Watch(threading.Thread):
    """Serves what is promoted, of each model in memory, soon after the promotion."""

    def __init__(self, models: ModelCache, metrics: Metrics, stopping: threading.Event) -> None:
        super().__init__(name="watch", daemon=True)
        self._models = models
        self._metrics = metrics
        self._stopping = stopping
        self._trouble = ""

    def run(self) -> None:
        """Look at the pointers until `stopping` is set."""
        for name in self._models.names():
            self._load_candidate(name)
        pause, has_garbage = LOOK_SECONDS, False
        while not self._stopping.wait(pause):
            if has_garbage:  # what was in flight has had time to end
                give_back()
            try:
                has_garbage = self._look()
            except Exception as error:  # noqa: BLE001  the thread lives as long as the worker
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._log_once(f"{type(error).__name__}: {error}")
            else:
                pause = LOOK_SECONDS
                self._log_once("")

    def _look(self) -> bool:
        """Look at each model once; return whether a version has left the memory."""
        has_swapped = False
        for name in self._models.names():
            if self._stopping.is_set() or (tag := self._models.new_tag(name)) is None:
                continue
            # One worker of this machine at a time, as long as patience lasts: the others answer
            # undisturbed, and the memory that one needs to load is free when the next loads.
            with locked(Path(__file__), seconds=MOST_PATIENCE):
                start = time.perf_counter()
                is_another = self._models.catch_up(name, tag)
                seconds = time.perf_counter() - start
                self._load_candidate(name)
            if is_another:
                self._metrics.count_swap(name, seconds)
                has_swapped = True
        return has_swapped

    def _load_candidate(self, name: str) -> None:
        """Load what is tried beside the promoted version before a request needs it."""
        if candidate := self._models.candidate(name):
            self._models.get_candidate(name, candidate)

    def _log_once(self, trouble: str) -> None:
        """Log once why the pointers cannot be read."""
        if trouble not in ("", self._trouble):
            _log.error(
                "the promoted versions cannot be looked at, those in memory stay: %s", trouble
            )
        self._trouble = trouble


def watch(models: ModelCache, metrics: Metrics, stopping: threading.Event) -> Watch:
    """Serve, in a new worker, what is promoted, and go on doing so.

    When this returns the worker may answer: the version that was read before
    the fork has answered its worked example, and was replaced if another is
    promoted since.
    """
    try:
        models.begin()
    except (LookupError, UntrustedArtifact) as error:
        _log.error("not ready: %s", error)
    except Exception as error:  # noqa: BLE001  the store does not answer: what was read before serves
        _log.error("the promoted version cannot be looked at: %s: %s", type(error).__name__, error)
    thread = Watch(models, metrics, stopping)
    thread.start()
    return thread
