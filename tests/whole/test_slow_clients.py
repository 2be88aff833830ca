"""Clients that are silent, slow or greedy: they are given up, and stop nobody else."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.raw_http import connect, read_answer, read_to_end, request
from tests.support.serving import DEADLINE, Server, running

pytestmark = pytest.mark.slow

#: What would take a minute takes half a second, and little is too much.
SHORT = """
import engine.worker.event_loop, engine.worker.deadlines
engine.worker.deadlines.HEAD_SECONDS = engine.worker.deadlines.MOVE_SECONDS = 0.5
engine.worker.deadlines.ROOM_SECONDS = 0
engine.worker.event_loop.MOST_IN_REQUESTS = 300_000
worker_connections = 60
"""

PLAIN = request(json.dumps(EXAMPLES["parcel"]))
CHUNKED = request(fields=[(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"")]).replace(
    b"Content-Length: \r\n", b""
)


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("patient"), until="/readyz", config=SHORT, web_concurrency=1,
        threads=2, model_store=toy_store.root, default_model="parcel",
    ) as started:  # fmt: skip
        yield started


@pytest.fixture(scope="module")
def unhurried(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose clients have the usual time."""
    with running(
        tmp_path_factory.mktemp("unhurried"), until="/readyz", web_concurrency=1, threads=4,
        model_store=toy_store.root, default_model="parcel", max_wait_seconds=0,
    ) as started:  # fmt: skip
        yield started


def assert_answers_others(server: Server) -> None:
    """Ask on the loop and in a thread."""
    for asked in (PLAIN, request(method=b"GET", path=b"/v0/model_info")):
        with connect(server.port) as link:
            link.sendall(asked)
            assert 200 == read_answer(link).status


@pytest.fixture
def links(unhurried: Server) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(connect(unhurried.port)) for _ in range(100)]


@pytest.mark.parametrize(
    "part",
    [b"", PLAIN[:20], PLAIN[:-5], CHUNKED + b"5\r\nab"],
    ids=["nothing", "head", "body", "chunk"],
)
def test_clients_when_they_stop_midway_hold_up_nobody(
    unhurried: Server, links: list[socket.socket], part: bytes
) -> None:
    for link in links:
        link.sendall(part)

    assert_answers_others(unhurried)


@pytest.mark.parametrize(("asked", "cut"), [(PLAIN, 20), (PLAIN, -5)], ids=["head", "body"])
def test_client_when_it_stops_midway_is_told_that_it_is_late(
    server: Server, asked: bytes, cut: int
) -> None:
    with connect(server.port) as link:
        link.sendall(asked[:cut])

        assert read_to_end(link).startswith(b"HTTP/1.1 408 ")
    assert_answers_others(server)


def test_client_when_it_sends_nothing_is_closed_without_a_word(server: Server) -> None:
    with connect(server.port) as link:
        assert b"" == read_to_end(link)


def test_empty_line_when_it_is_sent_behind_a_request_begins_none(server: Server) -> None:
    with connect(server.port) as link:
        for _ in range(2):
            link.sendall(PLAIN + b"\r\n")
            assert 200 == read_answer(link).status
            # A head may take less time.
            assert not select.select([link], [], [], 1)[0]


@pytest.mark.parametrize("start", [b"POST /v0/predict HTTP/1.1\r\nX-A: ", PLAIN[:-60]])
def test_client_when_it_dribbles_gains_no_time(server: Server, start: bytes) -> None:
    with connect(server.port) as link:
        link.sendall(start)
        for _ in range(DEADLINE * 20):
            if select.select([link], [], [], 0.05)[0]:
                break
            link.sendall(b" ")
        assert read_to_end(link).startswith(b"HTTP/1.1 408 ")


def test_clients_when_they_hold_too_much_unfinished_lose_the_slowest(server: Server) -> None:
    head = request(fields=[(b"Content-Length", b"90000")])
    with ExitStack() as stack:
        links = [stack.enter_context(connect(server.port)) for _ in range(4)]
        for link in links:
            link.sendall(head + b" " * 80_000)
            # The worker has read it once it answers a request sent after it.
            assert_answers_others(server)

        assert read_to_end(links[0]).startswith(b"HTTP/1.1 408 ")
        links[3].sendall(b"{}".ljust(10_000))
        assert 422 == read_answer(links[3]).status


def test_connections_when_there_are_too_many_make_room(server: Server) -> None:
    with ExitStack() as stack:
        links = [stack.enter_context(connect(server.port)) for _ in range(200)]
        for link in links:
            link.sendall(PLAIN)
            assert 200 == read_answer(link).status

        assert b"" == read_to_end(links[0])
        links[-1].sendall(PLAIN)
        assert 200 == read_answer(links[-1]).status


def test_clients_when_they_do_not_read_hold_up_nobody_and_lose_nothing(unhurried: Server) -> None:
    records = json.dumps([EXAMPLES["parcel"]] * 9000)
    asked = request(records, fields=[(b"Connection", b"close")])
    with ExitStack() as stack:
        links = [
            stack.enter_context(connect(unhurried.port, receive_bytes=4096)) for _ in range(12)
        ]
        for link in links:
            link.sendall(asked)
        assert_answers_others(unhurried)
        for link in links:
            answer = read_answer(link)
            assert 200 == answer.status
            assert 9000 == len(answer.json()["predictions"])


def test_clients_when_they_send_in_chunks_are_all_answered_in_the_end(
    unhurried: Server, links: list[socket.socket]
) -> None:
    body = json.dumps(EXAMPLES["parcel"]).encode()
    for link in links:
        link.sendall(CHUNKED + b"%x\r\n%s\r\n" % (len(body), body))
    assert_answers_others(unhurried)
    for link in links:
        link.sendall(b"0\r\n\r\n")

    assert {200} == {read_answer(link).status for link in links}
