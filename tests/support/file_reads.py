"""Which files and folders this process opens, as Python itself reports it."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_counts: list[tuple[str, "Counter[str]"]] = []


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if _counts and event in ("open", "os.listdir", "os.scandir"):
        for root, counts in _counts:
            if str(arguments[0]).startswith(root):
                counts[event.removeprefix("os.")] += 1


@cache
def _add_hook() -> None:
    """Add the hook once: it cannot be taken away."""
    sys.addaudithook(_count)


@contextmanager
def count_reads(root: Path) -> Iterator["Counter[str]"]:
    """Count, by kind, how often something below a folder is opened."""
    _add_hook()
    counts: Counter[str] = Counter()
    _counts.append((str(root), counts))
    try:
        yield counts
    finally:
        _counts.pop()
