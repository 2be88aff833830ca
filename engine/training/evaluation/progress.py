"""The progress of a long step, on a terminal: done, left and the time that it will take."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def progress(items: Sequence[T], title: str) -> Iterable[T]:
    """Return the items; while they are gone through, a terminal shows how far that is.

    Nothing is written where standard error is no terminal.
    """
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, desc=f"  {title}", leave=False, disable=not sys.stderr.isatty())
    return bar
