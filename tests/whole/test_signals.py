"""Workers are replaced under load, in every way there is, and no request is lost."""

import os
import signal
import socket
from functools import partial
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.raw_http import connect, read_answer, read_to_end, request
from tests.support.rounds import ROUNDS, are_gone, has_ended, loaded, wait_for_more
from tests.support.serving import DEADLINE, running, wait_until
from tests.support.steady_load import Question, questions


@pytest.fixture(scope="module")
def asked(toy_store: ModelStore) -> list[Question]:
    return questions(toy_store)


@pytest.mark.slow
def test_workers_when_reloaded_under_load_lose_nothing(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    with loaded(toy_store, asked, tmp_path) as (server, load):
        for _ in range(ROUNDS):
            old = {*server.workers()}
            server.process.send_signal(signal.SIGHUP)
            wait_until(partial(are_gone, server, old), "only new workers")
            wait_for_more(load)


@pytest.mark.slow
def test_workers_when_recycled_under_load_lose_nothing(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    often = "--max-requests 150 --max-requests-jitter 50"
    with loaded(toy_store, asked, tmp_path, gunicorn_cmd_args=often) as (server, load):
        wait_until(
            lambda: server.log.read_text().count("Autorestarting") >= 3 * ROUNDS or bool(load.lost),
            "many recycled workers", seconds=DEADLINE + ROUNDS,
        )  # fmt: skip


@pytest.mark.slow
def test_worker_when_it_alone_is_told_to_stop_is_replaced_and_loses_nothing(
    toy_store: ModelStore, asked: list[Question], tmp_path: Path
) -> None:
    with loaded(toy_store, asked, tmp_path) as (server, load):
        for _ in range(ROUNDS):
            told = server.workers()[0]
            os.kill(told, signal.SIGTERM)
            os.kill(told, signal.SIGTERM)
            wait_until(partial(has_ended, told), "the end of the worker")
            wait_for_more(load)


@pytest.mark.slow
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
AT_ONCE = (
    "from engine.worker import shutdown\nshutdown.ACCEPT_SECONDS = shutdown.LAST_SECONDS = 0\n"
)


@pytest.mark.slow
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


@pytest.mark.slow
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
