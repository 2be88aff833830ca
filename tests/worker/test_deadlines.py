"""Who may answer on a connection, in which form, and what counts as progress."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from engine.worker.timed_socket import TimedSocket
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.models import EXAMPLES
from tests.support.serving import DEADLINE
from tests.support.table_bodies import write_csv


@pytest.fixture
def pair() -> Iterator[tuple[TimedSocket, socket.socket]]:
    """A connection with a request that a thread is to answer, and its client's end."""
    ours, theirs = socket.socketpair()
    with TimedSocket(fileno=ours.detach()) as connection, theirs:
        theirs.settimeout(DEADLINE)
        connection.setblocking(True)
        connection.begin()
        yield connection, theirs


def test_connection_when_the_loop_has_claimed_it_sends_nothing_for_a_thread(
    pair: tuple[TimedSocket, socket.socket],
) -> None:
    connection, client = pair

    assert connection.claim()
    with pytest.raises(BrokenPipeError):
        connection.sendall(b"late")
    connection.close()

    assert b"" == client.recv(10)


def test_connection_when_a_thread_answers_is_not_the_loop_s(
    pair: tuple[TimedSocket, socket.socket],
) -> None:
    connection, client = pair

    connection.sendall(b"begun ")
    assert not connection.claim()
    connection.sendall(b"and done")
    assert b"begun and done" == client.recv(100)

    connection.begin()
    assert connection.claim()


@pytest.fixture(scope="module")
def limited(toy_store: ModelStore) -> Flask:
    return serve(toy_store, "coin", max_answer_seconds=7.5)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/v0/predict?secret", "/v0/predict"), (b"/inference/c%6Fin", "/inference/<name>"),
        (b"/v2/models/secret/infer", "/v2/models/<name>/infer"), (b"/secret", "(none)"),
        (b"/v0/predict/", "(none)"), (b"*", "(none)"), (b"http://secret/v0/predict", "(none)"),
    ],
)  # fmt: skip
def test_lateness_when_logged_has_the_route_and_nothing_that_was_sent(
    limited: Flask, caplog: pytest.LogCaptureFixture, path: bytes, route: str
) -> None:
    limited.extensions["application"].rejections.lateness(path, {b"x-request-id": b"here"})

    (line,) = caplog.records
    assert {"route": route, "request_id": "here"} == vars(line)["fields"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/v0/predict?n", {"status": 504, "title": "Gateway Timeout"}),
        (b"/v2/models/coin/infer", {"error": "there is no answer in time"}),
        (b"/invocations", {"error_code": "DEADLINE_EXCEEDED"}),
    ],
)
def test_lateness_when_a_protocol_is_spoken_has_its_form(
    limited: Flask, path: bytes, expected: dict[str, Any]
) -> None:
    answer = limited.extensions["application"].rejections.lateness(path, {b"x-request-id": b"here"})

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert b"\r\nX-Request-Id: here\r\n" in head
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head
    found = read_strictly(body)
    for key, value in expected.items():
        assert str(found[key]).startswith(str(value))


class Connection:
    """What a worker puts into the environment of a request."""

    progress = 0

    def note_progress(self) -> None:
        self.progress += 1


@pytest.mark.slow
def test_table_when_it_is_long_has_its_time_for_every_block(toy_client: FlaskClient) -> None:
    connection = Connection()
    body = write_csv([EXAMPLES["coin"]] * 60_000)
    assert len(body) > 2 * 2**18

    answer = toy_client.post(
        "/v0/models/coin/predict", data=body, content_type="text/csv",
        environ_overrides={"gunicorn.socket": connection},
    )  # fmt: skip

    assert 200 == answer.status_code
    assert connection.progress >= 3


def test_thread_when_its_client_takes_nothing_has_sent_all_the_same(
    pair: tuple[TimedSocket, socket.socket],
) -> None:
    connection, client = pair
    parts = [bytes([n]) * 2**21 for n in range(9)]

    for part in parts:
        connection.sendall(part)

    assert connection.unsent
    connection.setblocking(False)
    taken = bytearray()
    while len(taken) < 9 * 2**21:
        with suppress(BlockingIOError):
            connection.unsent.drop(connection.send(connection.unsent.first()))
        taken += client.recv(2**17)
    assert b"".join(parts) == taken
