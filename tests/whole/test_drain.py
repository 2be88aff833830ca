"""The service stops, and no request that it has let in is lost."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.raw_http import connect
from tests.support.serving import DEADLINE, Server, running, wait_until
from tests.support.steady_load import Question, questions, steady_load

#: Services that are stopped under load; 1,000 with `make drain`.
ROUNDS = int(os.environ.get("DRAIN_ROUNDS", "24"))

#: Rounds at a time; most of a round is waiting.
AT_ONCE = 4

#: Under load that never stops the service would take new connections for 5 seconds.
SOON = "import engine.worker.shutdown\nengine.worker.shutdown.ACCEPT_SECONDS = 0.3\n"


def stop_once(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)


def stop_all(server: Server) -> None:
    """Tell the whole group at once, as platforms do."""
    os.killpg(server.process.pid, signal.SIGTERM)


def stop_again_and_again(server: Server) -> None:
    for _ in range(3):
        os.killpg(server.process.pid, signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)


STOPS = (stop_once, stop_all, stop_again_and_again, stop_once)


def is_listening(server: Server) -> bool:
    try:
        connect(server.port).close()
    except OSError:
        return False
    return True


def a_round(number: int, store: ModelStore, asked: list[Question], folder: Path) -> Counter[str]:
    """Start a service, load it, stop it; count what has come of the requests."""
    stop = STOPS[number % len(STOPS)]
    is_early = number % len(STOPS) == 3  # as soon as the port accepts
    config = "" if number % 20 == 5 else SOON
    with running(
        folder, until="" if is_early else "/readyz", config=config, model_store=store.root,
        default_model="parcel",
    ) as server:  # fmt: skip
        if is_early:
            wait_until(lambda: is_listening(server), "a port that accepts")
        with steady_load(server.port, asked, after=0 if is_early else 100) as load:
            stop(server)
            status = server.process.wait(DEADLINE)
    said = server.log.read_text()
    assert 0 == status, said
    assert "Traceback" not in said and "SIGKILL" not in said
    assert [] == load.lost, (load.lost, stop.__name__, is_early, load.counts, said)
    assert load.counts["refused"] == 6
    return load.counts


@pytest.mark.slow
def test_service_when_stopped_under_load_loses_nothing(
    toy_store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = questions(toy_store)
    counts: Counter[str] = Counter()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        rounds = [pool.submit(a_round, n, toy_store, asked, tmp_path) for n in range(ROUNDS)]
        for one in rounds:
            counts += one.result()

    with capsys.disabled():
        print(f"\n{ROUNDS} services stopped under load: {dict(counts)}, 0 lost")
    assert counts["answered"] > 100 * ROUNDS // 2
    assert counts["slips"] < counts["answered"] / 100
