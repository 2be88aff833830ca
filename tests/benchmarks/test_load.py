"""The load generator sees what comes back, and the service answers all that it sends."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from benchmarks.load import Load, Question, Report, run
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.serving import free_port, running

RIGHT = b'{"prediction": {"value": 1}, "more": true}'
QUESTION = Question(b'{"x": 1}', {"prediction": {"value": 1}})


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


class Scripted:
    """A server that answers every request with the next of some bytes, and then the first again.

    Empty bytes close the connection; bytes that are no whole answer are followed by that.
    """

    def __init__(self, answers: tuple[bytes, ...], prelude: Callable[[], Any]) -> None:
        self.answers = itertools.cycle(answers)
        self.prelude = prelude
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            with link:
                while self.answer_one(link):
                    pass

    def answer_one(self, link: socket.socket) -> bool:
        request = b""
        while not request.endswith(QUESTION.body):
            part = link.recv(4096)
            if not part:
                return False
            request += part
        self.prelude()
        sent = next(self.answers)
        link.sendall(sent)
        return sent.endswith(b"}") and b"Connection: close" not in sent + request


@contextmanager
def scripted(*answers: bytes, prelude: Callable[[], Any] = lambda: None) -> Iterator[Scripted]:
    server = Scripted(answers, prelude)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join()


def ask(port: int, requests: int = 4, **others: Any) -> Report:
    chosen = {"seconds": 0.01, "patience_seconds": 60} | others
    return run(Load(port=port, questions=[QUESTION], requests=requests, **chosen))


@pytest.mark.parametrize("is_kept", [True, False])
def test_load_when_all_is_right_counts_it(is_kept: bool) -> None:  # noqa: FBT001
    with scripted(answer(RIGHT)) as server:
        report = ask(server.port, is_kept=is_kept)

    assert (4, 4, 4, 4) == (report.asked, report.sent, report.answered, report.correct)
    assert (0, {}, []) == (report.wrong, dict(report.failed), report.oddities)
    assert 4 == len(report.latencies)
    assert (1 if is_kept else 4) == server.accepted


def test_load_when_an_answer_closes_the_connection_opens_another() -> None:
    with scripted(answer(RIGHT, "200 OK", "Connection: close")) as server:
        report = ask(server.port)

    assert (4, 4) == (report.correct, server.accepted)


@pytest.mark.parametrize("body", [b'{"prediction": {"value": 2}}', b"{}", b"[1, {}", b"[{}"])
def test_load_when_an_answer_is_wrong_counts_and_shows_it(body: bytes) -> None:
    with scripted(answer(RIGHT), answer(body)) as server:
        report = ask(server.port)

    assert (2, 2, {}) == (report.correct, report.wrong, dict(report.failed))
    assert body.decode() == report.oddities[0].partition("\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(b"{}", "503 Service Unavailable"), "status 503"),
        (b"", "closed before the answer, used connection"),
        (answer(RIGHT)[:-5], "closed in the answer, used connection"),
        (answer(RIGHT)[:9], "closed in the answer, used connection"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "no length in the answer, used connection"),
        (answer(RIGHT) + b"{}", "more bytes than its length in the answer, used connection"),
    ],
)
def test_load_when_a_request_fails_tells_the_reason(reply: bytes, reason: str) -> None:
    with scripted(answer(RIGHT), reply) as server:
        report = ask(server.port)

    assert (2, 0, {reason: 2}) == (report.correct, report.wrong, dict(report.failed))


def test_load_when_nothing_listens_tells_so() -> None:
    report = ask(free_port())

    assert {"Connection refused when connecting, new connection": 4} == dict(report.failed)
    assert (4, 0) == (report.asked, report.sent)


def test_load_when_answers_never_come_ends() -> None:
    is_over = threading.Event()

    with scripted(b"", prelude=is_over.wait) as server:
        report = ask(server.port, patience_seconds=0.1)
        is_over.set()

    assert 4 == report.asked == sum(report.failed.values())
    assert report.failed["no answer in time before the answer, new connection"]


def test_load_when_the_server_stalls_counts_the_waiting_of_all_that_are_due() -> None:
    stall = itertools.chain([0.5], itertools.repeat(0))

    with scripted(answer(RIGHT), prelude=lambda: time.sleep(next(stall))) as server:
        report = ask(server.port, requests=20, seconds=0.2)

    assert 20 == report.correct
    assert report.latency(0) > 0.3  # the last was due after 0.19 s


def test_load_when_sent_by_two_processes_is_counted_as_one() -> None:
    with scripted(answer(RIGHT)) as one:
        report = run(
            Load(
                port=one.port, questions=[QUESTION], requests=7, seconds=0.01, connections=2,
                is_kept=False, processes=2,
            )
        )  # fmt: skip

    assert (7, 7, 7) == (report.asked, report.correct, len(report.latencies))
    assert list(report.latencies) == sorted(report.latencies)


@pytest.mark.slow
def test_service_when_2000_requests_come_in_2_seconds_answers_all_correctly(
    toy_store: ModelStore, toy_client: FlaskClient, tmp_path: Path
) -> None:
    records = [EXAMPLES["parcel"] | {"weight": weight} for weight in range(100)]
    questions = [
        Question(
            json.dumps(one).encode(),
            {"prediction": toy_client.post("/v0/predict", json=one).get_json()["prediction"]},
        )
        for one in records
    ]

    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as server:
        report = run(
            Load(
                port=server.port, questions=questions, requests=2000, seconds=2, connections=50,
                patience_seconds=60,
            )
        )  # fmt: skip

    assert (2000, 0, {}) == (report.correct, report.wrong, dict(report.failed))
