"""How busy the threads are, and how long another request would wait for one."""

import time

#: How often new connections are accepted while all threads are busy. A worker with a
#: free thread accepts them at once, so what is left after this time has found no thread.
LOOK_SECONDS = 0.005

#: The weight of the last request in the mean time that a request takes.
_WEIGHT = 0.2


class Load:
    """The work that a number of threads have.

    A request may have to wait for a thread for `most_seconds`; 0 for any time.
    """

    def __init__(self, threads: int, most_seconds: float) -> None:
        self._threads = threads
        self._most = most_seconds
        self._mean = 0.0
        self._still_since = 0.0
        self._next_look = 0.0

    def begin(self, running: int) -> None:
        """Note how many requests the threads have, with the one that begins."""
        if running == self._threads:
            self._still_since = time.monotonic()

    def end(self, seconds: float | None) -> None:
        """Note that a thread is done, and how long it took; None when its client was slow."""
        self._still_since = time.monotonic()
        if seconds is not None:
            self._mean += _WEIGHT * (min(seconds, self._most) - self._mean)

    def is_too_much(self, running: int) -> bool:
        """Return whether another request would wait too long."""
        waiting = running + 1 - self._threads
        if waiting <= 0 or not self._most:
            return False
        # A request is taken to last as long as those before, and at least as long as no thread
        # has been done.
        still = min(time.monotonic() - self._still_since, self._most)
        return waiting * max(self._mean, still) > self._most * self._threads

    def may_accept(self, running: int) -> tuple[bool, float]:
        """Return whether to accept new connections, and how long to wait for events at most."""
        if running < self._threads:
            return True, 1.0
        if not self._most:
            return False, 1.0
        now = time.monotonic()
        if now < self._next_look:
            return False, LOOK_SECONDS
        self._next_look = now + LOOK_SECONDS
        return True, 0.0
