"""The master is killed under load: its workers stop by themselves, and nothing is lost."""

import os
import signal
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.serving import lives, running, wait_until
from tests.support.steady_load import questions, steady_load

pytestmark = pytest.mark.slow


def test_workers_when_their_master_is_killed_under_load_lose_nothing_and_end(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    soon = "import engine.worker.shutdown\nengine.worker.shutdown.ACCEPT_SECONDS = 2\n"
    with running(
        tmp_path, until="/readyz", config=soon, model_store=toy_store.root,
        default_model="parcel",
    ) as server:  # fmt: skip
        workers = server.workers()
        with steady_load(server.port, questions(toy_store)) as load:
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
        wait_until(lambda: not any(map(lives, workers)), "the end of the workers")

    assert [] == load.lost
    assert load.counts["refused"] == 6
