"""gunicorn is replaced by another, on the same port and under load."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.raw_http import connect
from tests.support.rounds import ROUNDS, has_ended, wait_for_more
from tests.support.serving import heeds_signals, running, wait_until
from tests.support.steady_load import questions, steady_load

pytestmark = pytest.mark.slow

#: As a platform starts it; started with ``-m``, gunicorn cannot start itself anew.
SCRIPT = (str(Path(sys.executable).with_name("gunicorn")), "app:app")

SOON = "import engine.worker.shutdown\nengine.worker.shutdown.ACCEPT_SECONDS = 0.5\n"


def children(process: int) -> list[int]:
    """List the processes that a process has started."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(one) for one in found.split()]


def successor(master: int) -> int:
    """Give the master that an upgrade has started, once its workers are there; else 0."""
    for child in children(master):
        workers = children(child)
        if len(workers) == 2 and all(map(heeds_signals, workers)):
            return child
    return 0


def test_service_when_upgraded_again_and_again_under_load_loses_nothing(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    rounds = max(1, ROUNDS // 5)
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        command=SCRIPT, config=SOON,
    ) as server:  # fmt: skip
        master = server.process.pid
        try:
            with steady_load(server.port, questions(toy_store)) as load:
                for number in range(1, rounds + 1):
                    os.kill(master, signal.SIGUSR2)
                    wait_until(lambda: successor(master) > 0, "a second master with workers")  # noqa: B023
                    old, master = master, successor(master)
                    os.kill(old, signal.SIGTERM)
                    # The first is this process's child, and waits to be asked how it ended.
                    wait_until(partial(has_ended, old), "the end of the first master")
                    wait_until(
                        lambda: server.log.read_text().count("has been promoted") == number,  # noqa: B023
                        "a promoted master",
                    )
                    wait_for_more(load)  # nothing keeps new connections out
                load.stopping.set()
        finally:
            os.kill(master, signal.SIGTERM)
        assert [] == load.lost
        assert 0 == load.counts["refused"]
        wait_until(partial(has_ended, master), "the end of the last master")
        with pytest.raises(ConnectionRefusedError):
            connect(server.port)
        assert 0 == server.process.wait(1)
