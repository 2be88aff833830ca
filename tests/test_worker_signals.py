"""Workers are replaced under load, in every way there is, and no request is lost."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.conftest import EXAMPLES
from tests.raw_http import connect, read_answer, read_to_end, request
from tests.serving import DEADLINE, Server, heeds_signals, lives, running, wait_until
from tests.steady_load import CLIENTS, Load, Question, questions, steady_load


@pytest.fixture(scope="module")
def asked(toy_store: ModelStore) -> list[Question]:
    return questions(toy_store)


def wait_for_more(load: Load, more: int = 200) -> None:
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


def are_gone(server: Server, workers: set[int]) -> bool:
    """Tell whether none of these workers is left."""
    return not workers & {*server.workers()}


def has_ended(pid: int) -> bool:
    """Tell whether a process is no more."""
    return not lives(pid)


def test_workers_when_reloaded_under_load_lose_nothing(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    with loaded(toy_store, asked, tmp_path) as (server, load):
        for _ in range(3):
            old = {*server.workers()}
            server.process.send_signal(signal.SIGHUP)
            wait_until(partial(are_gone, server, old), "only new workers")
            wait_for_more(load)


def test_workers_when_recycled_under_load_lose_nothing(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    often = "--max-requests 150 --max-requests-jitter 50"
    with loaded(toy_store, asked, tmp_path, gunicorn_cmd_args=often) as (server, load):
        wait_until(
            lambda: server.log.read_text().count("Autorestarting") > 8 or bool(load.lost),
            "many recycled workers",
        )


def test_worker_when_it_alone_is_told_to_stop_is_replaced_and_loses_nothing(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    with loaded(toy_store, asked, tmp_path) as (server, load):
        for _ in range(4):
            told = server.workers()[0]
            os.kill(told, signal.SIGTERM)
            os.kill(told, signal.SIGTERM)
            wait_until(partial(has_ended, told), "the end of the worker")
            wait_for_more(load)


def test_worker_when_killed_loses_at_most_what_it_was_running(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as server:
        with steady_load(server.port, asked) as load:
            os.kill(server.workers()[0], signal.SIGKILL)
            before = load.counts["answered"]
            wait_until(lambda: load.counts["answered"] > before + 500, "answers afterwards")
            load.stopping.set()
        # Each client has one request under way.
        assert len(load.lost) <= len(CLIENTS), load.lost
        assert not any(one.startswith("wrong") for one in load.lost)
        assert 0 == load.counts["refused"]
        wait_until(lambda: [True] * 2 == [*map(heeds_signals, server.workers())], "two workers")
        assert 0 == server.stop()


def successor(server: Server) -> int | None:
    """Give the master that an upgrade has started, once its workers are there."""
    for child in server.workers():
        workers = Path(f"/proc/{child}/task/{child}/children").read_text().split()
        if len(workers) == 2 and all(heeds_signals(int(one)) for one in workers):
            return child
    return None


#: As a platform starts it; started with ``-m``, gunicorn cannot start itself anew.
SCRIPT = (str(Path(sys.executable).with_name("gunicorn")), "app:app")


def test_service_when_upgraded_under_load_loses_nothing_and_goes_on(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        command=SCRIPT, config="import server.drain\nserver.drain.ACCEPT_SECONDS = 0.5\n",
    ) as server:  # fmt: skip
        with steady_load(server.port, asked) as load:
            server.process.send_signal(signal.SIGUSR2)
            wait_until(lambda: successor(server) is not None, "a second master with workers")
            second = successor(server)
            assert second
            try:
                assert 0 == server.stop()
                wait_for_more(load, 500)  # nothing keeps new connections out
                load.stopping.set()
            finally:
                os.kill(second, signal.SIGTERM)
        assert [] == load.lost
        assert 0 == load.counts["refused"]
        wait_until(lambda: not lives(second), "the end of the second master")
        with pytest.raises(ConnectionRefusedError):
            connect(server.port)


def test_service_when_it_stops_says_that_it_is_not_ready(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    ready = request(method=b"GET", path=b"/readyz")
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        web_concurrency=1,
    ) as server:  # fmt: skip
        kept, held = connect(server.port), connect(server.port)
        kept.sendall(ready)
        assert 200 == read_answer(kept).status
        held.sendall(b"POST /v0/predict HTTP/1.1\r\nContent-Le")
        server.process.send_signal(signal.SIGTERM)

        def status() -> int:
            with connect(server.port) as link:
                link.sendall(ready)
                return read_answer(link).status

        wait_until(lambda: status() == 503, "503 on a new connection")
        kept.sendall(ready)
        answer = read_answer(kept)
        assert (503, b"close") == (answer.status, answer.field(b"Connection"))
        held.sendall(b"ngth: 2\r\nHost: here\r\nContent-Type: application/json\r\n\r\n{}")
        assert 422 == read_answer(held).status
        assert b"" == read_to_end(held) == read_to_end(kept)
        assert 0 == server.process.wait(DEADLINE)
        kept.close()
        held.close()


#: The time that a stopping service gives to new connections is over at once.
AT_ONCE = "import server.drain\nserver.drain.ACCEPT_SECONDS = server.drain.LAST_SECONDS = 0\n"


def test_service_when_stopped_with_many_in_the_queue_answers_them(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    asking = request(method=b"GET", path=b"/v0/model_info", fields=[(b"Connection", b"close")])
    with running(
        tmp_path, until="/readyz", config=AT_ONCE, model_store=toy_store.root,
        default_model="parcel",
    ) as server:  # fmt: skip
        for worker in server.workers():
            os.kill(worker, signal.SIGSTOP)
        links = [connect(server.port) for _ in range(300)]
        for link in links:
            link.sendall(asking)
        server.process.send_signal(signal.SIGTERM)
        # The master closes its listening socket before it tells the workers.
        wait_until(lambda: "Handling signal: term" in server.log.read_text(), "a stopping master")
        for worker in server.workers():
            os.kill(worker, signal.SIGCONT)
        statuses = [read_answer(link).status for link in links]
        assert 0 == server.process.wait(DEADLINE)

    assert [200] * 300 == statuses
    for link in links:
        link.close()


#: Nobody may look into the master, and the workers have no special rights.
UNSEEN = """
import ctypes
_libc = ctypes.CDLL(None)
_libc.prctl(4, 0)

def post_worker_init(worker):
    _libc.capset(ctypes.byref((ctypes.c_uint32 * 2)(0x20080522, 0)),
                 ctypes.byref((ctypes.c_uint32 * 6)()))
"""


def test_workers_when_they_cannot_see_the_master_keep_nobody_out(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, until="/readyz", config=UNSEEN, model_store=toy_store.root,
        default_model="parcel",
    ) as server:  # fmt: skip
        old = {*server.workers()}
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not old & {*server.workers()}, "only new workers")

        with socket.create_connection(("127.0.0.1", server.port), DEADLINE):
            assert 200 == server.ask("/v0/predict", EXAMPLES["parcel"])[0]
        assert 0 == server.stop()
