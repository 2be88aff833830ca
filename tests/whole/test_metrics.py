"""Counts over several workers: exact, whichever worker tells them, and never falling."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.exposed import Exposed, assert_none_fell
from tests.support.models import EXAMPLES
from tests.support.raw_http import connect, read_answer
from tests.support.serving import DEADLINE, Server, running, wait_until

pytestmark = pytest.mark.slow

PARCEL = EXAMPLES["parcel"]
ROUTE = "/v0/predict"


@pytest.fixture
def server(toy_store: ModelStore, tmp_path: Path) -> Iterator[Server]:
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as started:
        yield started


def scrape(server: Server) -> Exposed:
    status, body = server.ask("/metrics")
    assert 200 == status
    return Exposed(body.decode())


def ask_all(server: Server, rounds: int) -> None:
    """Ask on new connections, which either worker takes."""
    for _ in range(rounds):
        assert 200 == server.ask(ROUTE, PARCEL)[0]  # on the loop
        assert 200 == server.ask(f"{ROUTE}?", [PARCEL, PARCEL])[0]  # in a thread
        assert 422 == server.ask(ROUTE, {**PARCEL, "weight": "heavy"})[0]
        assert 404 == server.ask("/nothing")[0]


def assert_counts(exposed: Exposed, rounds: int) -> None:
    requests = exposed.of("http_requests_total", "route", "status")
    latencies = exposed.of("http_request_duration_seconds_count", "route")

    assert (2 * rounds, rounds) == (requests[ROUTE, "200"], requests[ROUTE, "422"])
    assert rounds == requests["(none)", "404"]
    assert 3 * rounds == latencies[ROUTE,]
    assert {("parcel", "small"): 3 * rounds} == exposed.of(
        "model_predictions_total", "model", "class"
    )
    assert {("invalid",): rounds, ("not_found",): rounds} == exposed.of(
        "http_rejections_total", "reason"
    )
    assert {("parcel", "weight", "wrong_type"): rounds} == exposed.of(
        "model_validation_errors_total", "model", "field", "code"
    )


def replace(server: Server, worker: int, by: signal.Signals) -> None:
    """End a worker, and wait until another has taken its place."""
    os.kill(worker, by)
    wait_until(lambda: worker not in server.workers(), "the worker's end")
    wait_until(lambda: 2 == len(server.workers()), "its successor")
    wait_until(lambda: {(): 2} == scrape(server).of("worker_processes"), "two workers that say so")


def test_counts_when_scraped_from_any_worker_are_exact_and_survive_the_workers(
    server: Server,
) -> None:
    ask_all(server, 20)
    scrapes = [scrape(server) for _ in range(10)]
    for exposed in scrapes:
        assert_counts(exposed, 20)

    for by in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        replace(server, server.workers()[0], by)
        scrapes += [scrape(server) for _ in range(4)]

    ask_all(server, 5)
    scrapes += [scrape(server) for _ in range(4)]
    assert_counts(scrapes[-1], 25)
    for before, after in pairwise(scrapes):
        assert_none_fell(before, after)


def test_counts_when_the_service_is_reloaded_stay(server: Server) -> None:
    ask_all(server, 3)
    before, old = scrape(server), set(server.workers())

    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not old & {*server.workers()}, "new workers")
    wait_until(lambda: {(): 2} == scrape(server).of("worker_processes"), "two that say so")

    ask_all(server, 3)
    assert_counts(scrape(server), 6)
    assert_none_fell(before, scrape(server))


def test_connections_that_wait_when_their_worker_is_killed_are_forgotten(server: Server) -> None:
    links = [connect(server.port) for _ in range(12)]
    for link in links:
        link.sendall(b"POST /v0/predict HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{")

    def waiting() -> float:
        return scrape(server).of("http_requests_in_flight", "where")["waiting",]

    wait_until(lambda: 12 == waiting(), "all that wait")
    for worker in server.workers():
        replace(server, worker, signal.SIGKILL)

    assert 0 == waiting()
    for link in links:
        link.close()


def test_requests_when_the_server_itself_refuses_them_are_counted(server: Server) -> None:
    for content, status in (
        (b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ):
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as link:
            link.sendall(content)
            assert status == read_answer(link).status

    exposed = scrape(server)
    assert {("(none)", "400"): 1, ("(none)", "414"): 1} == {
        key: count
        for key, count in exposed.of("http_requests_total", "route", "status").items()
        if key[0] == "(none)"
    }
    assert {("malformed",): 1, ("too_large",): 1} == exposed.of("http_rejections_total", "reason")


def test_figures_when_asked_are_those_of_all_processes(server: Server) -> None:
    exposed = scrape(server)
    pids = [server.process.pid, *server.workers()]

    threads = sum(len([*Path(f"/proc/{pid}/task").iterdir()]) for pid in pids)
    memory = exposed.of("service_memory_bytes")[()]
    assert abs(threads - exposed.of("service_threads")[()]) <= 4
    assert 40e6 < memory < 400e6
    assert 0 < exposed.of("service_cpu_seconds_total")[()] < 60


@pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not here: apt-get install prometheus"
)
def test_page_when_promtool_reads_it_is_as_prometheus_likes_it(server: Server) -> None:
    ask_all(server, 2)
    _, page = server.ask("/metrics")

    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, check=False
    )

    assert (0, b"") == (done.returncode, done.stdout + done.stderr)
