"""Bodies on the wire: chunked, too large, cut short."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.models import EXAMPLES
from tests.support.serving import DEADLINE, Server, ask, running

pytestmark = pytest.mark.slow

LIMIT = 100_000
BODY = json.dumps(EXAMPLES["rent"]).encode()
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("server"), until="/readyz", model_store=toy_store.root,
        default_model="rent", max_body_bytes=LIMIT,
    ) as started:  # fmt: skip
        yield started


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def test_body_when_chunked_is_read_whole(server: Server) -> None:
    expected = server.ask("/v0/predict", EXAMPLES["rent"])

    for size in (1, 7, 1000):
        connection = server.connect()
        connection.request(
            "POST", "/v0/predict", chunks(BODY, size), JSON, encode_chunked=True
        )  # no length is known: Transfer-Encoding: chunked
        answer = connection.getresponse()
        assert expected[0] == answer.status == 200
        assert expected[1]["prediction"] == read_strictly(answer.read())["prediction"]
        connection.close()


def test_body_when_chunked_and_too_large_is_refused(server: Server) -> None:
    # Whole and valid within the limit: what is cut off must not be answered.
    body = BODY + b" " * LIMIT

    connection = server.connect()
    connection.request("POST", "/v0/predict", chunks(body, 8192), JSON, encode_chunked=True)
    answer = connection.getresponse()

    assert 413 == answer.status
    assert f"larger than {LIMIT} bytes" in read_strictly(answer.read())["detail"]
    connection.close()


def test_body_when_ten_megabytes_come_in_chunks_is_refused(server: Server) -> None:
    head = (
        "POST /v0/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        with suppress(ConnectionError):  # it may stop listening as soon as it has answered
            connection.sendall(head.encode() + 1000 * (b"2710\r\n" + b" " * 10_000 + b"\r\n"))
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_body_when_its_length_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    head = (
        "POST /v0/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        "Content-Length: 10000000\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_body_when_refused_leaves_nothing_for_the_next_request(server: Server) -> None:
    inner = b"GET /v0/model_info HTTP/1.1\r\nHost: here\r\n\r\n"
    connection = server.connect()

    status, answer = ask(connection, "/v0/predict", inner * 3000, **JSON)

    assert (413, 413) == (status, answer["status"])
    with suppress(ConnectionError):  # closed, since too much was left: as good
        assert (200, {"status": "alive"}) == ask(connection, "/livez")
    connection.close()


def test_body_when_it_is_cut_short_is_refused(server: Server) -> None:
    head = (
        "POST /v0/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY) + 10}\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(head.encode() + BODY)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert f"ends after {len(BODY)} of {len(BODY) + 10} bytes".encode() in answer


@pytest.mark.parametrize("end", [b"", b"zz\r\n", b"-1\r\n", b"5\r\nab", b"f" * 40 + b"\r\nab"])
def test_body_when_chunked_and_broken_is_refused(server: Server, end: bytes) -> None:
    head = (
        "POST /v0/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n{len(BODY):x}\r\n"
    )

    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(head.encode() + BODY + b"\r\n" + end)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"detail":"the body ' in answer  # a sentence of ours
    assert 200 == server.ask("/livez")[0]
