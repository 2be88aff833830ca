"""How long the steps of an answer take."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")

#: Opens a span of a trace by its name.
Span = Callable[[str], AbstractContextManager[Any]]


class Timing:
    """Measures the steps of an answer, and opens a span of a trace around each.

    `note_progress` is called while a long answer makes progress; the worker then
    extends its deadline.
    """

    def __init__(
        self, span: Span = nullcontext, note_progress: Callable[[], Any] = lambda: None
    ) -> None:
        self.seconds: dict[str, float] = {}  # by step; one that is taken several times adds up
        self.note_progress = note_progress
        self._span = span

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step: ``read``, ``validate``, ``predict`` or ``write``."""
        start = time.perf_counter()
        try:
            with self._span(name):
                yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def each_in(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield items, and measure as a step the time in which each is made."""
        source, end = iter(items), object()
        while True:
            with self.step(name):
                item = next(source, end)
            if item is end:
                return
            yield item  # type: ignore[misc]
