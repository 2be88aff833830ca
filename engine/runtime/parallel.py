"""Many rows at once: on every core, with the same answers as on one."""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

#: The fewest rows of a slice. To hand a slice to a thread takes 0.1 to 0.2 ms.
LEAST_ROWS = 128

#: A slice begins at a multiple of this. Kernels compute rows by the block, and the rows
#: left over in another way, which may round differently. With whole blocks the same rows
#: are left over as without slices, so every answer is equal to its last bit.
BLOCK = 32


def in_slices(answer: Callable[[Any], Any], matrix: Any, *, cores: int | None = None) -> Any:
    """Answer the rows of a matrix, in order, in as many slices as there are cores.

    The function that answers must let other threads run while it computes.
    """
    parts = min(cores or usable_cores(), len(matrix) // LEAST_ROWS)
    if parts < 2:
        return answer(matrix)
    step = len(matrix) // (parts * BLOCK) * BLOCK
    first, *others = np.split(matrix, range(step, step * parts, step))
    pending = [_pool().submit(answer, part) for part in others]
    return np.concatenate([answer(first), *(future.result() for future in pending)])


#: The most cores that this process uses, where it shares them with others of its kind.
_most_cores: list[int] = []


def limit_cores(most: int) -> None:
    """Use so many cores at most from now on, since other processes do the same work beside."""
    _most_cores[:] = [most]
    usable_cores.cache_clear()


@cache
def usable_cores(root: Path = Path("/")) -> int:
    """Return how many CPUs this process may use: it runs on so many, or its groups pay for fewer.

    What a control group allows is read in ``proc`` and ``sys`` of the root folder. Workers share
    it: each has threads for all, since the others often have nothing to do.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min([cores or 1, *_most_cores, *map(math.ceil, _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPUs that each control group of this process allows, those above it included."""
    for group in _lines(root / "proc/self/cgroup"):
        _, controllers, path = group.split(":", 2)
        mount, names = root / "sys/fs/cgroup", ["cpu.max"]
        if controllers:  # the first version of control groups
            mount, names = mount / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):
            folder = mount.joinpath(*parts[:depth])
            words = " ".join(line for name in names for line in _lines(folder / name)).split()
            if len(words) == 2 and words[0].isdecimal():  # no limit is "max", or -1
                yield int(words[0]) / int(words[1])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, usable_cores() - 1), thread_name_prefix="slices")


# A fork copies no threads: the child makes a pool of its own.
os.register_at_fork(after_in_child=_pool.cache_clear)
