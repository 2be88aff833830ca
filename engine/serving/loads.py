"""Versions that are loaded in threads of their own, so that a slow load ends no worker."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from persistence.store_errors import StoreError


class StillLoading(StoreError):
    """The version is not loaded yet; the load goes on."""


class Loads:
    """The loads in progress: each once, whoever waits for it.

    Parameters
    ----------
    seconds : float, optional
        How long anybody waits; None: to the end, and no thread is started.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._futures: dict[Hashable, Future[Any]] = {}

    def wait(self, key: Hashable, load: Callable[[], Any], label: str) -> Any:
        """Return the result of a load, which is begun unless it is in progress.

        Raise what it raises, and StillLoading when it takes too long.
        """
        if self._seconds is None:
            return load()
        with self._lock:
            future = self._futures.get(key)
            if future is None:
                future = self._futures[key] = Future()
                run = threading.Thread(
                    target=self._run, args=(key, load, future), name="load", daemon=True
                )
                run.start()
        try:
            return future.result(self._seconds)
        except TimeoutError:
            if future.done():  # it has raised one itself
                raise
            raise StillLoading(f"{label} is still being loaded after {self._seconds:g} s") from None

    @property
    def are_done(self) -> bool:
        """Whether no load is in progress."""
        return not self._futures

    def _run(self, key: Hashable, load: Callable[[], Any], future: "Future[Any]") -> None:
        # It is forgotten before anybody has its result: whoever asks later asks anew.
        try:
            result = load()
        except BaseException as error:  # noqa: BLE001  whoever waits gets it
            self._forget(key)
            future.set_exception(error)
        else:
            self._forget(key)
            future.set_result(result)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._futures[key]
