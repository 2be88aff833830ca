"""How long the parts of an answer take, for whoever asks to be told.

A request with ``X-Server-Timing: true`` gets the header ``Server-Timing``. Where
tracing is on, each part is a span.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from flask import current_app, g, has_request_context, request

T = TypeVar("T")


@contextmanager
def step(name: str) -> Iterator[None]:
    """Take one part of the answer to the request at hand, if there is one.

    Parameters
    ----------
    name : str
        ``read``, ``validate``, ``predict`` or ``write``; one that comes again adds up.
    """
    if not has_request_context():
        yield
        return
    spans = current_app.extensions.get("spans")
    start = time.perf_counter()
    try:
        with spans.span(name) if spans else nullcontext():
            yield
    finally:
        if (steps := g.get("steps")) is not None:
            steps[name] = steps.get(name, 0.0) + time.perf_counter() - start


def each_in(name: str, items: Iterable[T]) -> Iterator[T]:
    """Give items each of which is made in a step."""
    source, nothing = iter(items), object()
    while True:
        with step(name):
            item = next(source, nothing)
        if item is nothing:
            return
        yield item  # type: ignore[misc]


def note_progress() -> None:
    """Tell the worker that the answer to the request at hand gets on: it has its time anew."""
    if has_request_context():
        connection = request.environ.get("gunicorn.socket")
        if note := getattr(connection, "note_progress", None):
            note()
