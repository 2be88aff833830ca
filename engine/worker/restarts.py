"""Workers that die: how that is logged, and how long the next ones wait."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

#: A worker that has lived for less has died early.
EARLY_SECONDS = 5

#: The first pause after a second such death in a row, doubled with every other, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0

#: After so many seconds without one, a death is the first again.
FORGIVEN_SECONDS = 30


class Deaths:
    """The deaths of a service's workers, as its master sees them.

    Each is logged, and counted by its reason, such as ``SIGKILL`` or ``exit 1``.
    """

    def __init__(self, log: Any, count: Callable[[str], None]) -> None:
        self._log = log
        self._count = count
        self._in_a_row = 0
        self._last = 0.0

    def look(self, workers: Mapping[int, Any]) -> None:
        """Note the workers that have died, before gunicorn reaps them."""
        for pid, worker in workers.items():
            with suppress(ChildProcessError):
                status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if status and (reason := _reason(status)):
                    self.note(reason, pid=pid, lived=time.monotonic() - worker.starts_at)

    def note(self, reason: str, *, pid: int, lived: float) -> None:
        """Count and log a death, so many seconds after the start; the next worker may wait."""
        now = time.monotonic()
        is_first = now > self._last + FORGIVEN_SECONDS
        self._in_a_row = 0 if lived > EARLY_SECONDS else 1 if is_first else self._in_a_row + 1
        self._last = now
        self._count(reason)
        self._log.error(
            "worker %s died (%s), %.1f s after its start; early deaths in a row: %s; "
            "pause before the next: %g s",
            pid, reason, max(0.0, lived), self._in_a_row, self.pause(),
        )  # fmt: skip

    def has_survivor(self, workers: Mapping[int, Any]) -> bool:
        """Return whether a worker has lived long enough to show that workers can start."""
        latest = time.monotonic() - EARLY_SECONDS
        return any(worker.starts_at < latest for worker in workers.values())

    def pause(self) -> float:
        """Return the seconds that the next worker must wait."""
        if self._in_a_row < 2:
            return 0.0
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._in_a_row - 2, 10))

    def forget(self) -> None:
        """Let the next death be the first again."""
        self._in_a_row = 0


def wait_for_start(worker: Any) -> None:
    """Wait, in a new worker's process, until it may start; exit on a signal to stop.

    The worker waits, so that the master does not.
    """
    if time.monotonic() >= worker.starts_at:
        return
    stops = {signal.SIGTERM, signal.SIGQUIT, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    while time.monotonic() < worker.starts_at and os.getppid() == worker.ppid:
        if stops & signal.sigpending():
            sys.exit(0)
        worker.notify()
        time.sleep(0.02)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reason(result: "os.waitid_result") -> str:
    """Return why a process has ended; empty when it ended in good order."""
    if result.si_code == os.CLD_EXITED:
        return f"exit {result.si_status}" if result.si_status else ""
    try:
        return signal.Signals(result.si_status).name
    except ValueError:
        return f"signal {result.si_status}"
