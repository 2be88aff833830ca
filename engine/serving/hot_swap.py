"""A thread that sees, in each worker, when another version is promoted."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from engine.runtime.memory import give_back
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from persistence.store_errors import UntrustedArtifact

_log = logging.getLogger(__name__)

#: How often the pointers are looked at.
LOOK_SECONDS = 0.5

#: How long a worker waits for another that reads a version; then both do.
MOST_PATIENCE = 1.0

#: The longest pause after a store that could not be asked.
_LONGEST_PAUSE = 10.0


class Watch(threading.Thread):
    """Serves what is promoted, of each model in memory, soon after it is.

    Parameters
    ----------
    models : ModelCache
        What is in memory.
    metrics : Metrics
        Told of each swap.
    stopping : Event
        Ends the thread. It is awaited wherever nothing is done.
    """

    def __init__(self, models: ModelCache, metrics: Metrics, stopping: threading.Event) -> None:
        super().__init__(name="watch", daemon=True)
        self._models = models
        self._metrics = metrics
        self._stopping = stopping
        self._trouble = ""

    def run(self) -> None:
        """Look at the pointers until told to stop."""
        for name in self._models.names():
            self._load_candidate(name)
        pause, has_left = LOOK_SECONDS, False
        while not self._stopping.wait(pause):
            if has_left:  # what was in flight has had time to end
                give_back()
            try:
                has_left = self._look()
            except Exception as error:  # noqa: BLE001  the thread lives as long as the worker
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._tell(f"{type(error).__name__}: {error}")
            else:
                pause = LOOK_SECONDS
                self._tell("")

    def _look(self) -> bool:
        """Look at each model once; tell whether a version has left the memory."""
        swaps = 0
        for name in self._models.names():
            if self._stopping.is_set() or not self._models.is_behind(name):
                continue
            with _one_at_a_time():
                begun = time.perf_counter()
                is_another = self._models.catch_up(name)
                seconds = time.perf_counter() - begun
                self._load_candidate(name)
            if is_another:
                self._metrics.count_swap(name, seconds)
                swaps += 1
        return swaps > 0

    def _load_candidate(self, name: str) -> None:
        """Have what is tried beside the promoted version in memory before it is asked."""
        if candidate := self._models.candidate(name):
            self._models.candidates.get(name, candidate)

    def _tell(self, trouble: str) -> None:
        """Log what keeps us from looking, once."""
        if trouble and trouble != self._trouble:
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
    except Exception as error:  # noqa: BLE001  the store is away; what was read before serves
        _log.error("the promoted version cannot be looked at: %s: %s", type(error).__name__, error)
    found = Watch(models, metrics, stopping)
    found.start()
    return found


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait until no other worker of this machine is in here, as long as patience lasts.

    So the others answer undisturbed, and the memory that one needs to read a
    version is free again when the next reads it.
    """
    end = time.monotonic() + MOST_PATIENCE
    lock = os.open(__file__, os.O_RDONLY | os.O_CLOEXEC)  # a file that all have
    try:
        while time.monotonic() < end:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.01)
        yield
    finally:
        os.close(lock)
