"""Workers are killed under load: what they had is lost, and nothing else."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from persistence.model_persistence import ModelStore
from tests.support.rounds import ROUNDS, has_ended
from tests.support.serving import Server, heeds_signals, running, wait_until
from tests.support.steady_load import CLIENTS, Load, questions, steady_load

pytestmark = pytest.mark.slow

#: Every worker counts as one that has lived for long.
OLD = "import engine.worker.restarts\nengine.worker.restarts.EARLY_SECONDS = -1\n"


def has_two(server: Server) -> bool:
    """Tell whether two workers are there, and past their start."""
    try:
        return [True] * 2 == [*map(heeds_signals, server.workers())]
    except FileNotFoundError:
        return False


def wait_for_all(load: Load) -> None:
    """Wait until every client has been answered, whatever it had lost."""
    before = load.counts["answered"]
    wait_until(lambda: load.counts["answered"] > before + 200, "answers afterwards")


def test_workers_when_killed_lose_at_most_what_they_had(
    toy_store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, seconds = [], []
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel", config=OLD
    ) as server:
        with steady_load(server.port, questions(toy_store)) as load:
            for _ in range(ROUNDS):
                before = len(load.lost)
                killed = server.workers()[0]
                at = time.monotonic()
                os.kill(killed, signal.SIGKILL)
                wait_until(partial(has_ended, killed), "the end of the worker")
                ended = time.monotonic()
                wait_until(partial(has_two, server), "another worker")
                seconds.append(time.monotonic() - at)
                wait_for_all(load)
                lost.append(len(load.lost) - before)
                # Who connects afterwards is answered by the others.
                assert all(since < ended for since in load.lost_since[before:]), load.lost
            load.stopping.set()

        # Each client has one request under way, and a killed worker had some of the clients.
        assert max(lost) <= len(CLIENTS), load.lost
        assert not any(one.startswith("wrong") for one in load.lost)
        assert 0 == load.counts["refused"]
        said = server.log.read_text()
        assert ROUNDS == said.count("died (SIGKILL)") == said.count("pause before the next: 0 s")
        assert 0 == server.stop()
    with capsys.disabled():
        print(
            f"\n{ROUNDS} workers killed under load: {sum(lost)} requests lost, {max(lost)} at "
            f"most at once, of {load.counts['answered']}; back after {median(seconds):.2f} s "
            f"(median), {max(seconds):.2f} s (longest)"
        )
