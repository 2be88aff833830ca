"""What a run prints while it is at work: a line for each result of a step."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.languages import gettext as _

#: Seconds after which a step reports that it is still running; then after twice as long each time.
PATIENCE = 10


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Print the results of one step of a run, or that it is still at work."""
    began, waiting = time.monotonic(), _("still at work")  # another thread says it
    is_done = threading.Event()

    def say(text: str) -> None:
        taken = f"{time.monotonic() - began:5.1f} s"
        for line in text.splitlines():
            print(f"  {title:<12} {taken}  {line}", flush=True)

    def reassure() -> None:
        patience = PATIENCE
        while not is_done.wait(patience):
            say(waiting)
            patience *= 2

    (thread := threading.Thread(target=reassure, daemon=True)).start()
    try:
        yield say
    finally:
        is_done.set()
        thread.join()
