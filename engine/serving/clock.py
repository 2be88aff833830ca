"""A thread that does in each worker, once a second, what must not wait for a request."""

import logging
import threading
from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)

#: Seconds between two turns.
SECONDS = 1.0


class Clock(threading.Thread):
    """Calls functions until the process stops."""

    def __init__(
        self, functions: Iterable[Callable[[], object]], stopping: threading.Event
    ) -> None:
        super().__init__(name="clock", daemon=True)
        self._functions = functions
        self._stopping = stopping

    def run(self) -> None:
        """Call the functions once a second; what one of them raises is logged."""
        while not self._stopping.wait(SECONDS):
            for function in self._functions:
                try:
                    function()
                except Exception:  # noqa: BLE001  the thread lives as long as the worker
                    _log.exception("%s failed", getattr(function, "__qualname__", function))
