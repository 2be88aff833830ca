"""Whether there is memory for one more version, and giving back what one has left."""

import ctypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from engine.schema.card import Card

#: The file that is loaded, by runtime, and the bytes of memory that each of its bytes takes
#: at most meanwhile. Measured: 13 for forests of 2 and 44 MB as ONNX, of which 5 to 6 stay;
#: 17 for the same fitted pipeline, whose file is compressed.
_LOADED = {"onnx": ("model.onnx", 14), "native": ("model.skops", 18)}


class NotEnoughMemory(Exception):
    """There is no memory for one more version; the message has the figures."""


def check_memory(card: Card, root: Path = Path("/")) -> None:
    """See that a version can be loaded beside what is in memory already.

    Parameters
    ----------
    card : mapping
        As `card.json` has it.
    root : Path
        Where ``proc`` and ``sys`` are.

    Raises
    ------
    NotEnoughMemory
        When it needs more than is available. Where the system does not tell
        what is, nothing is raised.
    """
    needed, available = needed_bytes(card), available_bytes(root)
    if available is not None and needed > available:
        raise NotEnoughMemory(
            f"version {card['version']} of {card['model']} needs {needed / 1e6:.0f} MB of memory "
            f"to load, and {available / 1e6:.0f} MB are available: "
            "give the service more memory, or fewer workers"
        )


def needed_bytes(card: Card) -> int:
    """Estimate the memory that a version takes at most while it is loaded."""
    name, factor = _LOADED[card["runtime"]]
    return int(card["files"][name]["bytes"]) * factor


def available_bytes(root: Path = Path("/")) -> int | None:
    """Tell how much memory this process can have: the machine's, or its control group's.

    Returns
    -------
    int or None
        None where the system does not tell, as outside Linux.
    """
    return min(_free(root), default=None)


def give_back() -> None:
    """Return to the system what the C library keeps of freed memory."""
    if trim := _trim():
        trim(0)


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's


def _free(root: Path) -> Iterator[int]:
    """Give what is free by each limit that there is."""
    if (found := _figures(root / "proc/meminfo").get("MemAvailable:")) is not None:
        yield 1024 * found
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for one in groups:
        _, controllers, path = one.split(":", 2)
        if not controllers:
            yield from _free_in(root / "sys/fs/cgroup", path, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes"
            yield from _free_in(root / "sys/fs/cgroup/memory", path, *names)


def _free_in(mount: Path, path: str, limit: str, used: str) -> Iterator[int]:
    """Give what is free in a control group and in each above it; a container sees its own alone."""
    parts = [one for one in path.split("/") if one not in ("", "..")]
    for depth in range(len(parts) + 1):
        folder = mount.joinpath(*parts[:depth])
        try:
            most, current = int((folder / limit).read_text()), int((folder / used).read_text())
        except (OSError, ValueError):  # it is not there, or "max": there is no limit
            continue
        stat = _figures(folder / "memory.stat")
        cached = stat.get("total_inactive_file", stat.get("inactive_file", 0))
        yield max(0, most - current + cached)  # files that were read make room


def _figures(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    words = (line.split() for line in lines)
    return {one[0]: int(one[1]) for one in words if len(one) > 1 and one[1].isdecimal()}
