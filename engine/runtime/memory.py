"""Whether there is memory for one more version, and the return of what one has freed."""

import ctypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from engine.schema.card import Card

#: The file that is loaded, by runtime, and the bytes of memory that loading takes at most for
#: each of its bytes. Measured: 13 for forests of 2 and 44 MB as ONNX, of which 5 to 6 stay;
#: 17 for the same fitted pipeline, whose file is compressed. A file of the exact runtime is read
#: and copied once.
_LOADED = {"exact": ("model.trees", 2), "onnx": ("model.onnx", 14), "native": ("model.skops", 18)}


class NotEnoughMemory(Exception):
    """There is no memory for one more version; the message has the figures."""


def check_memory(card: Card, root: Path = Path("/")) -> None:
    """Check that a version can be loaded beside what is in memory already.

    Raise NotEnoughMemory when it needs more than is available, as far as the
    system reports that, in ``proc`` and ``sys`` of the root folder.
    """
    name, factor = _LOADED[card["runtime"]]
    needed, available = int(card["files"][name]["bytes"]) * factor, available_bytes(root)
    if available is not None and needed > available:
        raise NotEnoughMemory(
            f"version {card['version']} of {card['model']} needs {needed / 1e6:.0f} MB of memory "
            f"to load, and {available / 1e6:.0f} MB are available: "
            "give the service more memory, or fewer workers"
        )


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return how much memory this process can have; None where it is not reported.

    It is the machine's, or its control group's. Systems other than Linux do not report it.
    """
    return min(_limits(root), default=None)


def give_back() -> None:
    """Return freed memory, which the C library would keep, to the system."""
    if trim := _trim():
        trim(0)


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's


def _limits(root: Path) -> Iterator[int]:
    """Yield the free memory by each limit that there is."""
    if (kibibytes := _figures(root / "proc/meminfo").get("MemAvailable:")) is not None:
        yield 1024 * kibibytes
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if not controllers:
            yield from _free_in(root / "sys/fs/cgroup", path, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes"
            yield from _free_in(root / "sys/fs/cgroup/memory", path, *names)


def _free_in(mount: Path, path: str, limit: str, used: str) -> Iterator[int]:
    """Yield the free memory of a control group and of each above it that can be seen."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts) + 1):
        folder = mount.joinpath(*parts[:depth])
        try:
            most, current = int((folder / limit).read_text()), int((folder / used).read_text())
        except (OSError, ValueError):  # it is not there, or "max": there is no limit
            continue
        stat = _figures(folder / "memory.stat")
        cached = stat.get("total_inactive_file", stat.get("inactive_file", 0))
        yield max(0, most - current + cached)  # the system drops cached files when it needs room


def _figures(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) > 1 and pair[1].isdecimal()}
