"""Workers that die soon after their start: the next ones wait, and the log says why."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.worker.restarts import Deaths
from persistence.model_persistence import ModelStore
from tests.support.serving import DEADLINE, GUNICORN, Server, running, wait_until

#: A worker dies at its start, as if its native code failed, for as long as a file is there.
POISON = """
import os, pathlib, signal
import engine.worker.restarts
engine.worker.restarts.FIRST_PAUSE = engine.worker.restarts.LONGEST_PAUSE = {pause}

def post_worker_init(worker):
    if pathlib.Path({file!r}).exists():
        os.kill(os.getpid(), signal.SIGSEGV)
"""


@contextmanager
def poisoned(store: ModelStore, folder: Path, *, pause: float) -> Iterator[tuple[Server, Path]]:
    """Start a service whose workers die at their start; give it, and the file that makes them."""
    poison = folder / "poison"
    poison.touch()
    config = POISON.format(file=str(poison), pause=pause)
    with running(
        folder, until="", config=config, model_store=store.root, default_model="rent"
    ) as server:
        yield server, poison


def test_deaths_when_they_come_soon_after_each_start_make_the_next_wait_longer() -> None:
    counted: list[str] = []
    deaths = Deaths(logging.getLogger("tests"), counted.append)
    pauses = []

    for _ in range(9):
        deaths.note("SIGSEGV", pid=1, lived=0.3)
        pauses.append(deaths.pause())
    deaths.note("SIGKILL", pid=1, lived=60)

    assert [0, 0.25, 0.5, 1, 2, 4, 8, 8, 8] == pauses
    assert 0 == deaths.pause()
    assert ["SIGSEGV"] * 9 + ["SIGKILL"] == counted


def test_deaths_when_forgotten_make_nobody_wait() -> None:
    deaths = Deaths(logging.getLogger("tests"), lambda reason: None)

    for _ in range(3):
        deaths.note("exit 1", pid=1, lived=0)
    deaths.forget()

    assert 0 == deaths.pause()


@pytest.mark.slow
def test_service_when_workers_die_at_their_start_pauses_and_recovers(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with poisoned(toy_store, tmp_path, pause=0.1) as (server, poison):
        wait_until(lambda: said(server).count("died (SIGSEGV)") >= 4, "a few deaths")
        assert "pause before the next: 0 s" in said(server)
        assert "pause before the next: 0.1 s" in said(server)

        poison.unlink()

        wait_until(lambda: server.answers("/readyz"), "200 from /readyz")
        _, metrics = server.ask("/metrics")
        assert b'worker_deaths_total{reason="SIGSEGV"}' in metrics
        assert 0 == server.stop()


@pytest.mark.slow
def test_service_when_it_stops_while_workers_wait_for_their_start_ends_at_once(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with poisoned(toy_store, tmp_path, pause=1000) as (server, _):
        wait_until(lambda: "pause before the next: 1000 s" in said(server), "a long pause")

        server.process.send_signal(signal.SIGTERM)

        assert 0 == server.process.wait(DEADLINE)
        assert said(server).count(" died (") <= 3  # one more may have been there already
        assert "Traceback" not in said(server)
        ends = said(server).count("Worker exiting") + said(server).count(" died (")
        assert ends == said(server).count("Booting worker")  # nobody had to be killed


@pytest.mark.slow
def test_service_when_reloaded_while_workers_wait_for_their_start_starts_at_once(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with poisoned(toy_store, tmp_path, pause=1000) as (server, poison):
        wait_until(lambda: said(server).count(" died (") >= 2, "no worker that lives")
        wait_until(lambda: "pause before the next: 1000 s" in said(server), "a long pause")

        poison.unlink()
        server.process.send_signal(signal.SIGHUP)

        wait_until(lambda: server.answers("/readyz"), "200 from /readyz")
        assert 0 == server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["post_worker_init(worker)", "post_fork(server, worker)"])
def test_service_when_no_worker_can_start_says_why_and_ends(
    toy_store: ModelStore, tmp_path: Path, place: str
) -> None:
    config = f"def {place}:\n    raise RuntimeError('there is no such device')\n"
    with running(
        tmp_path, until="", config=config, model_store=toy_store.root, default_model="rent"
    ) as server:
        assert 3 == server.process.wait(DEADLINE)

    assert "there is no such device" in said(server)
    assert "Worker failed to boot" in said(server)
    assert said(server).count("Booting worker") <= 2


ONCE = """
import pathlib
import engine.worker.restarts
engine.worker.restarts.EARLY_SECONDS = 0

def post_worker_init(worker):
    if pathlib.Path({file!r}).exists():
        raise RuntimeError("there is no such device")
"""


@pytest.mark.slow
def test_service_when_only_a_later_worker_cannot_start_goes_on_with_the_others(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    poison = tmp_path / "poison"
    with running(
        tmp_path, until="/readyz", config=ONCE.format(file=str(poison)),
        model_store=toy_store.root, default_model="rent",
    ) as server:  # fmt: skip
        poison.touch()
        killed, kept = server.workers()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: said(server).count("died (exit 3)") >= 2, "workers that cannot start")
        assert 200 == server.ask("/readyz")[0]
        poison.unlink()

        wait_until(lambda: len({*server.workers()} - {killed, kept}) == 1, "another worker")

        assert kept in server.workers()
        assert 0 == server.stop()


@pytest.mark.slow
def test_service_when_its_new_configuration_cannot_be_read_goes_on_with_the_old(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, until="/readyz", config="timeout = 40", model_store=toy_store.root,
        default_model="rent", command=GUNICORN,
    ) as server:  # fmt: skip
        (own,) = tmp_path.glob("*.conf.py")
        good, old = own.read_text(), {*server.workers()}
        for wrong in ("this is no Python", "import sys\nsys.exit('gunicorn: PORT is wrong')\n"):
            own.write_text(wrong)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: not old & {*server.workers()}, "only new workers")  # noqa: B023
            old = {*server.workers()}
            assert 200 == server.ask("/readyz")[0]
        assert 2 == said(server).count("the one before goes on")

        own.write_text(good)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not old & {*server.workers()}, "only new workers")

        assert 200 == server.ask("/readyz")[0]
        assert 0 == server.stop()


def said(server: Server) -> str:
    return server.log.read_text()
