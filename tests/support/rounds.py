"""A service that is told this and that, round after round, while it is asked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from persistence.model_persistence import ModelStore
from tests.support.serving import Server, lives, running, wait_until
from tests.support.steady_load import Load, Question, steady_load

#: How often each signal is sent: a few times every day, more with `make signals`.
ROUNDS = int(os.environ.get("SIGNAL_ROUNDS", "3"))


def wait_for_more(load: Load, more: int = 200) -> None:
    """Wait until so many more requests are answered, or one is lost."""
    before = load.counts["answered"]
    wait_until(lambda: load.counts["answered"] > before + more or bool(load.lost), "more answers")


@contextmanager
def loaded(
    store: ModelStore, asked: list[Question], folder: Path, **chosen: Any
) -> Iterator[tuple[Server, Load]]:
    """Start a service under load; at the end nothing is lost, nobody refused, and it stops."""
    with running(
        folder, until="/readyz", model_store=store.root, default_model="parcel", **chosen
    ) as server:
        with steady_load(server.port, asked) as load:
            yield server, load
            load.stopping.set()
        assert [] == load.lost
        assert 0 == load.counts["refused"]
        assert 0 == server.stop()


def has_ended(process: int) -> bool:
    """Tell whether a process is no more."""
    return not lives(process)


def are_gone(server: Server, workers: set[int]) -> bool:
    """Tell whether none of these workers is left."""
    return not workers & {*server.workers()}
