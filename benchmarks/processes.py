"""What a server and all that it started cost: CPU time and memory, from /proc.

Linux only. Whatever outlives its parent becomes a child of this process, so
that no process of a server is missed.
"""

import ctypes
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this kernel gives no orphans to their grandparents")


def descendants(root: int) -> list[int]:
    """List the processes below one, itself left out."""
    children: dict[int, list[int]] = {}
    for pid, fields in _stats().items():
        children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Sum user and system time, that of ended and awaited children included."""
    stats = _stats()
    ticks = sum(sum(map(int, stats[pid][11:15])) for pid in pids if pid in stats)
    return ticks / _TICK


def memory_mb(pids: list[int]) -> float:
    """Sum the proportional set size: shared pages count once, divided among the sharers."""
    total = 0
    for pid in pids:
        with suppress(OSError):  # it has ended
            found = re.search(r"^Pss: +(\d+) kB", (_PROC / f"{pid}/smaps_rollup").read_text(), re.M)
            total += int(found[1]) if found else 0
    return total * 1024 / 1e6


def settle(pids: list[int], *, share: float = 0.1, seconds: float = 20) -> None:
    """Wait until the processes use little CPU: until requests left over are answered.

    Parameters
    ----------
    share : float
        Of one core; less counts as idle.
    seconds : float
        After these it goes on in any case.
    """
    end = time.monotonic() + seconds
    step = 0.2
    while time.monotonic() < end:
        before = cpu_seconds(pids)
        time.sleep(step)
        if cpu_seconds(pids) - before < share * step:
            return


def end(pids: list[int], *, seconds: float = 15) -> None:
    """End processes: ask the first, wait for it, then kill what is left of all."""
    with suppress(ProcessLookupError):
        os.kill(pids[0], signal.SIGTERM)
    if _are_gone(pids[:1], seconds):
        _are_gone(pids, 2)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _are_gone(pids, seconds)


def _are_gone(pids: list[int], seconds: float) -> bool:
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        for pid in pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if not any((_PROC / str(pid)).exists() for pid in pids):
            return True
        time.sleep(0.02)
    return False


def _stats() -> dict[int, list[str]]:
    """Read /proc/<pid>/stat of all processes: the fields after the name, state first."""
    found = {}
    for entry in os.listdir(_PROC):  # noqa: PTH208 - twice as fast, and this is a measuring tool
        if entry.isdigit():
            with suppress(OSError):
                text = (_PROC / entry / "stat").read_text()
                found[int(entry)] = text.rpartition(")")[2].split()
    return found
