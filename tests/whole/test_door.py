"""Who asks amiss, without a key, or for too much: nothing is held for it, and nobody waits."""

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.raw_http import Answer, connect, read_answer, read_to_end, request
from tests.support.serving import Server, running
from tests.support.table_bodies import write_csv

pytestmark = pytest.mark.slow

KEY = "0123456789abcdefghijklmnopqrstuvwxyz"
WITH_KEY = (b"x-api-key", KEY.encode())
RECORD = json.dumps(EXAMPLES["parcel"])
PLAIN = request(RECORD, fields=[WITH_KEY])
SECRET = b"zz-secret-zz"

#: An answer that stops for so long has stalled; one that goes on has not.
SHORT = """
import engine.worker.deadlines
engine.worker.deadlines.MOVE_SECONDS = 2
loglevel = "debug"
"""


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("door"), config=SHORT, web_concurrency=1, threads=2, api_key=KEY,
        model_store=toy_store.root, default_model="parcel", access_log=True,
    ) as started:  # fmt: skip
        yield started


def megabytes(server: Server) -> float:
    """Return the memory of the worker."""
    (worker,) = server.workers()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def answer_to(server: Server, asked: bytes) -> Answer:
    with connect(server.port) as link:
        link.sendall(asked)
        return read_answer(link)


def assert_answers(server: Server) -> None:
    """Ask on the loop and in a thread."""
    get = request(method=b"GET", path=b"/v0/model_info", fields=[WITH_KEY])
    assert [200, 200] == [answer_to(server, asked).status for asked in (PLAIN, get)]


def test_body_when_the_key_is_missing_is_refused_before_it_is_sent(server: Server) -> None:
    before = megabytes(server)
    with ExitStack() as stack:
        links = [stack.enter_context(connect(server.port)) for _ in range(60)]
        for path in (b"/v0/predict", b"/v2/models/parcel/infer", b"/nothing", b"/livez"):
            links[0] = stack.enter_context(connect(server.port))
            head = request(path=path, fields=[(b"Content-Length", b"5000000")])
            for link in links:
                link.sendall(head)
                expected = 413 if path == b"/livez" else 401
                answer = read_answer(link)
                assert expected == answer.status
                assert b"close" == answer.field(b"Connection")
                assert (b"WWW-Authenticate" in dict(answer.fields)) == (expected == 401)
                link.close()
            links = [stack.enter_context(connect(server.port)) for _ in range(60)]

        assert megabytes(server) - before < 30
    assert_answers(server)


def test_client_when_it_sends_its_body_first_reads_why_it_is_refused(server: Server) -> None:
    asked = request(b"x" * 5_000_000, fields=[(b"x-api-key", b"wrong")])

    answer = answer_to(server, asked)

    assert 401 == answer.status
    assert b'Bearer error="invalid_token"' == answer.field(b"WWW-Authenticate")
    assert "not known" in answer.json()["detail"]


def test_heads_when_they_have_thousands_of_fields_take_no_memory(server: Server) -> None:
    before = megabytes(server)
    head = b"POST /v0/predict HTTP/1.1\r\n" + b"".join(b"a%x:\r\n" % n for n in range(9000))
    with ExitStack() as stack:
        links = [stack.enter_context(connect(server.port)) for _ in range(200)]
        for link in links:
            link.sendall(head)
            assert 431 == read_answer(link).status

        assert megabytes(server) - before < 30


LISTS = b"[" + b",".join([b"[" * 30 + b"]" * 30] * 85_000) + b"]"
KEYS = b"{" + b",".join(b'"%x":0' % n for n in range(500_000)) + b"}"
PATHS = [
    (b"/v0/predict", b"%b"),
    (b"/v1/models/parcel:predict", b'{"instances":%b}'),
    (b"/v2/models/parcel/infer", b'{"inputs":%b}'),
    (b"/invocations", b'{"dataframe_records":%b}'),
    (b"/predict", b"%b"),
]


@pytest.mark.parametrize(("path", "form"), PATHS)
def test_body_when_it_would_become_large_is_refused_before_it_does(
    server: Server, path: bytes, form: bytes
) -> None:
    before = megabytes(server)

    for body in (LISTS, KEYS):
        answer = answer_to(server, request(form % body, path=path, fields=[WITH_KEY]))

        assert 413 == answer.status
        assert b"more values than are read at once" in answer.body
    assert megabytes(server) - before < 60


def test_tables_when_nobody_takes_the_answers_hold_no_thread(server: Server) -> None:
    table = write_csv([EXAMPLES["parcel"]] * 20_000)
    fields = [WITH_KEY, (b"Content-Type", b"text/csv"), (b"Accept", b"application/x-ndjson")]
    with ExitStack() as stack:
        links = [stack.enter_context(connect(server.port, receive_bytes=4096)) for _ in range(4)]
        for link in links:
            link.sendall(request(table, fields=fields))
        statuses = {read_start(link)[9:12] for link in links}

        assert {b"200"} <= statuses <= {b"200", b"503"}
        assert_answers(server)


def read_start(link: socket.socket) -> bytes:
    return link.recv(12, socket.MSG_WAITALL)


def test_answer_when_it_is_taken_slowly_comes_whole_and_one_that_stalls_ends(
    server: Server,
) -> None:
    table = write_csv([EXAMPLES["parcel"]] * 20_000)
    fields = [WITH_KEY, (b"Content-Type", b"text/csv"), (b"Accept", b"application/x-ndjson")]
    with (
        connect(server.port, receive_bytes=2**15) as slow,
        connect(server.port, receive_bytes=2**12) as silent,
    ):
        for link in (slow, silent):
            link.sendall(request(table, fields=[*fields, (b"Connection", b"close")]))
            assert b"HTTP/1.1 200" == read_start(link)
        taken = bytearray()
        # It lasts longer than an answer may stall.
        end = time.monotonic() + 5
        while time.monotonic() < end:
            taken += slow.recv(2**14)
            select.select([], [], [], 0.1)
        taken += read_to_end(slow)

        assert 20_000 == taken.count(b"\n{")
        assert 20_000 > read_to_end(silent).count(b"\n{")


CHUNKED = request(fields=[WITH_KEY, (b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"")])
CHUNKED = CHUNKED.replace(b"Content-Length: \r\n", b"")
FAULTS = {
    "a header without a colon": (b"GET /livez HTTP/1.1\r\nx-api-key " + SECRET + b"\r\n\r\n", 400),
    "a body in place of a request": (b'{"city": "%b"} a HTTP/1.1\r\n\r\n' % SECRET, 400),
    "a method in small letters": (b"get%b / HTTP/1.1\r\n\r\n" % SECRET, 400),
    "a folded header": (b"GET / HTTP/1.1\r\nA: b\r\n " + SECRET + b"\r\n\r\n", 400),
    "a null": (b"GET / HTTP/1.1\r\nA: " + SECRET + b"\x00\r\n\r\n", 400),
    "a target of other letters": (b"GET /\xff" + SECRET + b" HTTP/1.1\r\n\r\n", 400),
    "a bare line": (b"GET /" + SECRET + b" HTTP/1.1\n\n", 400),
    "a long address": (b"GET /" + SECRET + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a long header": (b"GET / HTTP/1.1\r\nA: " + SECRET + b"a" * 9000 + b"\r\n\r\n", 431),
    "an expectation": (b"GET / HTTP/1.1\r\nExpect: " + SECRET + b"\r\n\r\n", 417),
    "a coding": (CHUNKED.replace(b"chunked", SECRET), 501),
    "gzip in chunks": (CHUNKED.replace(b"chunked", b"gzip, chunked") + b"0\r\n\r\n", 501),
    "a blank in the address": (b"GET /a %b HTTP/1.1\r\n\r\n" % SECRET, 400),
    "no host": (b"GET /%b HTTP/1.1\r\n\r\n" % SECRET, 400),
    "no host before a body": (CHUNKED.replace(b"Host: here\r\n", b""), 400),
    "a host that is none": (CHUNKED.replace(b"here", SECRET + b"/"), 400),
    "two hosts": (CHUNKED.replace(b"Host:", b"Host: %b\r\nHost:" % SECRET), 400),
    "an old version": (b"GET /" + SECRET + b" HTTP/0.7\r\n\r\n", 505),
    "two lengths": (
        request(b"x", fields=[(b"Content-Length", b"1"), (b"Content-Length", b"2")]) + SECRET, 400
    ),
    "a length and chunks": (
        request(b"x", fields=[(b"Transfer-Encoding", b"chunked")]) + SECRET, 400
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_request_when_it_is_malformed_is_a_problem_that_quotes_nothing(
    server: Server, name: str
) -> None:
    asked, status = FAULTS[name]

    answer = answer_to(server, asked)

    assert status == answer.status
    assert b"application/problem+json" == answer.field(b"Content-Type")
    assert {"type", "title", "status", "detail", "request_id"} == set(answer.json())
    assert answer.json()["request_id"].encode() == answer.field(b"X-Request-Id")
    assert SECRET not in answer.body
    assert SECRET not in server.log.read_bytes()
    assert KEY.encode() not in server.log.read_bytes()


@pytest.mark.parametrize("more", [b"", b"Content-Length: 9\r\n"])  # a thread answers, or the loop
def test_head_when_it_is_refused_gets_no_body(server: Server, more: bytes) -> None:
    with connect(server.port) as link:
        link.sendall(b"HEAD /livez HTTP/1.1\r\n" + more + b"\r\n")
        answer = read_to_end(link)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n")


def test_address_when_it_is_a_secret_is_not_logged(server: Server) -> None:
    for path in (b"/" + SECRET, b"/v0/models/" + SECRET, b"/v0/predict?" + SECRET):
        asked = request(RECORD, path=path, fields=[WITH_KEY])
        assert answer_to(server, asked).status in (400, 404, 405)

    log = server.log.read_bytes()
    assert SECRET not in log
    assert b'"level": "debug"' in log


def test_client_when_it_leaves_within_a_head_is_not_quoted(server: Server) -> None:
    for part in (b"GET / HTTP/1.1\r\nx-api-key: " + SECRET, SECRET, b'{"a":"' + SECRET + b'"}\r\n'):
        with connect(server.port) as link:
            link.sendall(part)
            link.shutdown(socket.SHUT_WR)
            read_to_end(link)

    assert_answers(server)
    assert SECRET not in server.log.read_bytes()


def test_version_when_it_is_newer_is_answered_in_the_newest_that_is_spoken(server: Server) -> None:
    answer = answer_to(server, request(method=b"GET", path=b"/livez", version=b"HTTP/1.9"))

    assert b"HTTP/1.1 200 OK" == answer.line


def test_requests_when_they_come_together_are_all_answered_in_order(server: Server) -> None:
    ids = [b"id-%d" % n for n in range(300)]
    asked = b"".join(
        request(method=b"GET", path=b"/livez", fields=[(b"X-Request-Id", each)]) for each in ids
    )
    with connect(server.port) as link:
        link.sendall(asked)
        held = bytearray()
        answers = [read_answer(link, held=held) for _ in ids]

    assert ids == [answer.field(b"X-Request-Id") for answer in answers]


def test_worker_when_a_length_has_thousands_of_digits_lives(server: Server) -> None:
    (worker,) = server.workers()
    for path, key in ((b"/livez", []), (b"/v0/predict", [WITH_KEY])):
        for digits in (b"0" * 4400 + b"2", b"9" * 4400):
            fields = [*key, (b"content-length", digits)]
            head, _, _ = request(path=path, fields=fields).partition(b"\r\n\r\n")
            with connect(server.port) as link:
                link.sendall(head + b"\r\n\r\n")
                link.shutdown(socket.SHUT_WR)
                assert b" 5" not in read_to_end(link)[:12]
    assert_answers(server)
    assert [worker] == server.workers()
