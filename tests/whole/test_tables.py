"""Tables over the wire: in chunks, cut off, slow, and long ones in little memory."""

import csv
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.worker.timed_socket import TimedSocket
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.serving import DEADLINE, Server, running

CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}
HEADER, LINE = b"area,rooms,city\n", b"55.5,2,Recife\n"
LIMIT = 50_000_000


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("server"), until="/readyz", model_store=toy_store.root,
        default_model="rent", max_body_bytes=10_000, max_table_bytes=LIMIT,
    ) as started:  # fmt: skip
        yield started


def pieces(rows: int, size: int) -> Iterator[bytes]:
    """Give a table in pieces of about so many bytes."""
    yield HEADER
    at_once = size // len(LINE)
    for _ in range(rows // at_once):
        yield LINE * at_once
    yield LINE * (rows % at_once)


def post(server: Server, body: bytes | Iterator[bytes], **headers: str) -> tuple[int, bytes]:
    """Post a table, whole or in chunks."""
    connection = server.connect()
    connection.request(
        "POST", "/v0/predict", body, CSV | headers, encode_chunked=not isinstance(body, bytes)
    )
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def head(*lines: str) -> bytes:
    """Write the head of a request for a table."""
    return "\r\n".join(
        ["POST /v0/predict HTTP/1.1", "Host: here", "Content-Type: text/csv", *lines, "", ""]
    ).encode()


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 700, 50_000])
@pytest.mark.parametrize("size", [len(LINE), 5000, 200_000])
def test_table_when_it_comes_in_chunks_is_answered_row_by_row(
    server: Server, rows: int, size: int
) -> None:
    status, content = post(server, pieces(rows, size))

    lines = content.splitlines()
    assert 200 == status, content[:500]
    assert b"value,interval_low,interval_high,warnings" == lines[0]
    assert [lines[1]] * rows == lines[1:]


def peak_memory(process: int) -> int:
    """Give the most memory that a process has had resident, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["text/csv", "application/json"])
def test_table_when_it_is_long_takes_little_memory(server: Server, accept: str) -> None:
    rows = 300_000
    # Until each worker has answered once, what the libraries take is missing.
    while min(map(peak_memory, server.workers())) < 40_000_000:
        post(server, b"".join(pieces(20_000, 200_000)))
    before = [peak_memory(one) for one in server.workers()]

    status, content = post(server, pieces(rows, 100_000), Accept=accept)

    assert 200 == status
    if accept == "text/csv":
        assert 1 + rows == len(content.splitlines())
    else:
        assert rows == len(read_strictly(content)["predictions"])
    after = [peak_memory(one) for one in server.workers()]
    # The body is 4 MB, the answer 18 or 36 MB, and all rows as objects 100 MB.
    assert all(new - old < 20_000_000 for old, new in zip(before, after, strict=True))


@pytest.mark.slow
def test_table_when_all_is_sent_before_anything_is_read_is_answered(server: Server) -> None:
    body = b"".join(pieces(600_000, 100_000))

    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(head(f"Content-Length: {len(body)}", "Accept: text/csv") + body)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert 600_000 == answer.partition(b"warnings\n")[2].count(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize("early", [b"area,area\n", b"area,rooms,city\n" + b"x,2,Natal\n" * 2000])
def test_table_when_it_is_refused_early_is_read_to_its_end(server: Server, early: bytes) -> None:
    body = early + LINE * 900_000

    connection = server.connect()
    connection.request("POST", "/v0/predict", body, CSV)  # returns when all is sent
    answer = connection.getresponse()

    assert answer.status in (400, 422)
    assert answer.status == read_strictly(answer.read())["status"]
    connection.close()


@pytest.mark.slow
def test_table_when_its_length_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(head(f"Content-Length: {LIMIT + 1}"))
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert f"larger than {LIMIT} bytes".encode() in answer


@pytest.mark.slow
def test_table_when_its_chunks_are_too_large_is_refused(server: Server) -> None:
    status = 0
    with suppress(ConnectionError):  # it may stop listening as soon as it has answered
        status, _ = post(server, pieces(LIMIT // 10, 100_000))

    assert status in (0, 413)
    assert 200 == server.ask("/livez")[0]


@pytest.mark.slow
@pytest.mark.parametrize("end", [b"", b"zz\r\n", b"5\r\nab"])
def test_table_when_its_chunks_are_broken_is_refused(server: Server, end: bytes) -> None:
    body = b"".join(pieces(1000, 5000))
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n"

    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(head("Transfer-Encoding: chunked") + chunk + end)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert 200 == server.ask("/livez")[0]


@pytest.mark.slow
def test_table_when_it_is_cut_off_is_refused(server: Server) -> None:
    body = b"".join(pieces(1000, 5000))

    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(head(f"Content-Length: {len(body) + 10}") + body)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert f"ends after {len(body)} of {len(body) + 10} bytes".encode() in answer


@pytest.mark.slow
def test_connection_when_it_is_cut_leaves_no_file(server: Server) -> None:
    def files() -> int:
        return sum(len([*Path(f"/proc/{one}/fd").iterdir()]) for one in server.workers())

    server.ask("/livez")
    before = files()
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
            connection.sendall(head(f"Content-Length: {LIMIT}") + b"".join(pieces(200_000, 9000)))

    end = time.monotonic() + DEADLINE
    while files() > before + 2:  # the connections for asking
        assert time.monotonic() < end, "files stay open"
        server.ask("/livez")


@pytest.mark.slow
def test_json_when_it_is_asked_for_lines_is_answered_in_a_thread(server: Server) -> None:
    record = json.dumps({"area": 55.5, "rooms": 2, "city": "Recife"}).encode()
    connection = server.connect()
    kinds = {"Content-Type": "application/json", "Accept": "application/x-ndjson"}

    connection.request("POST", "/v0/predict", record, kinds)
    answer = connection.getresponse()

    (row,) = csv.DictReader(io.StringIO(post(server, HEADER + LINE)[1].decode()))
    assert float(row["value"]) == read_strictly(answer.read())["value"]
    assert "rent" == answer.getheader("X-Model")
    connection.close()


def test_socket_when_the_client_dribbles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.timed_socket.PATIENCE_SECONDS", 0.2)
    ours, theirs = socket.socketpair()
    stopped = threading.Event()

    def dribble() -> None:
        while not stopped.wait(0.02):
            theirs.send(b"x")

    with TimedSocket(fileno=ours.detach()) as timed, theirs:
        timed.setblocking(True)
        sender = threading.Thread(target=dribble)
        sender.start()
        with pytest.raises(ConnectionResetError, match="too slowly"):
            b"".join(iter(lambda: timed.recv(1000), b""))
        stopped.set()
        sender.join()

        monkeypatch.setattr("engine.worker.timed_socket.LEAST_PACE", 1)
        theirs.sendall(b"y" * 10)
        timed.setblocking(True)  # for the next request, the measure begins anew
        assert timed.recv(1000).endswith(b"y" * 10)
