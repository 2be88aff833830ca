"""More to do than the threads can: some are answered in time, the others told at once."""

import http.client
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.worker.load import Load
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.raw_http import Answer, connect, read_answer, request
from tests.support.serving import Server, running, wait_until

#: Routes that take time: /held until it is let go, /slow a twentieth of a second.
SLOW = """
import pathlib, time
from app import app

here = pathlib.Path(__file__).parent

@app.get("/held")
@app.get("/held/whatif")
def held():
    (here / "began").touch()
    while not (here / "go").exists():
        time.sleep(0.01)
    return {"held": True}

@app.post("/slow")
def slow():
    time.sleep(0.05)
    return {"slow": True}
"""

HELD = request(method=b"GET", path=b"/held")
SLOWLY = request(b"{}", path=b"/slow")
PLAIN = request(json.dumps(EXAMPLES["parcel"]))


@pytest.fixture
def server(toy_store: ModelStore, tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "mine.py").write_text(SLOW)
    command = (sys.executable, "-m", "gunicorn", "mine:app")
    with running(
        tmp_path, command=command, until="/readyz", pythonpath=tmp_path, web_concurrency=1,
        threads=2, max_wait_seconds=0.3, model_store=toy_store.root, default_model="parcel",
    ) as started:  # fmt: skip
        yield started


def ask(server: Server, asked: bytes) -> Answer:
    with connect(server.port) as link:
        link.sendall(asked)
        return read_answer(link)


@pytest.mark.slow
def test_request_when_it_would_wait_too_long_is_told_at_once(
    server: Server, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(4) as pool:
        held = [pool.submit(ask, server, HELD) for _ in range(2)]
        wait_until((tmp_path / "began").exists, "a thread that is held")
        # Those who come while it is not known how long it takes wait; then nobody does.
        waiting: list[Answer | None] = []

        def ask_once() -> bool:
            waiting.append(ask_briefly(server))
            return waiting[-1] is not None

        wait_until(ask_once, "a refusal")
        refused = ask_briefly(server)

        assert refused is not None
        assert 503 == refused.status
        assert b"1" == refused.field(b"Retry-After")
        assert b"application/problem+json" == refused.field(b"Content-Type")
        assert "too much to do" in json.loads(refused.body)["detail"]
        assert 200 == ask(server, PLAIN).status
        assert 200 == ask(server, request(method=b"GET", path=b"/livez")).status
        assert 200 == ask(server, request(method=b"GET", path=b"/readyz")).status
        metrics = ask(server, request(method=b"GET", path=b"/metrics")).body.decode()
        assert 'http_rejections_total{reason="overloaded"}' in metrics

        (tmp_path / "go").touch()
        assert [200, 200] == [one.result().status for one in held]
    assert 200 == ask(server, HELD).status


@pytest.mark.slow
@pytest.mark.parametrize("path", [b"/held?explain=true", b"/held/whatif"])
def test_requests_that_may_take_long_leave_a_thread_to_others(
    server: Server, tmp_path: Path, path: bytes
) -> None:
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(ask, server, request(method=b"GET", path=path)) for _ in range(3)]
        wait_until((tmp_path / "began").exists, "a thread that is held")

        assert [200] * 5 == [ask(server, SLOWLY).status for _ in range(5)]

        assert not any(one.done() for one in held)
        (tmp_path / "go").touch()
        assert [200] * 3 == [one.result().status for one in held]


def ask_briefly(server: Server) -> Answer | None:
    """Ask what takes a thread; None when nothing is answered soon."""
    with connect(server.port) as link:
        link.settimeout(0.5)
        link.sendall(request(method=b"GET", path=b"/held"))
        try:
            return read_answer(link)
        except TimeoutError:
            return None


@pytest.mark.slow
def test_connection_when_a_request_on_it_is_refused_serves_the_next(
    server: Server, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool, connect(server.port) as link:
        held = [pool.submit(ask, server, HELD) for _ in range(2)]
        wait_until((tmp_path / "began").exists, "a thread that is held")
        wait_until(lambda: ask_briefly(server) is not None, "a refusal")

        for asked in (SLOWLY, SLOWLY, PLAIN):
            link.sendall(asked)
            found = read_answer(link)
            assert (200 if asked is PLAIN else 503) == found.status
            assert b"keep-alive" == found.field(b"Connection")
        # Not all of it has come: the rest is not waited for.
        link.sendall(
            b"POST /slow HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
        )
        (tmp_path / "go").touch()
        assert [200, 200] == [one.result().status for one in held]


@pytest.mark.slow
def test_service_when_asked_four_times_what_it_can_answers_what_it_can(server: Server) -> None:
    found: Counter[int] = Counter()
    lock = threading.Lock()
    # Two threads answer 40 in a second; 16 clients ask without a pause.
    clients = [threading.Thread(target=_ask_many, args=(server, found, lock)) for _ in range(16)]

    for client in clients:
        client.start()
    for client in clients:
        client.join()

    assert {200, 503} == set(found)
    assert 16 * 30 == found.total()
    assert found[200] >= 16
    assert 200 == ask(server, SLOWLY).status


def _ask_many(server: Server, found: "Counter[int]", lock: threading.Lock) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for _ in range(30):
        connection.request("POST", "/slow", b"{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        with lock:
            found[answer.status] += 1
    connection.close()


@pytest.mark.parametrize(
    ("running", "took", "expected"),
    [(3, 9.0, False), (4, 9.0, False), (7, 9.0, False), (8, 9.0, True), (99, 0.001, False)],
)
def test_load_when_requests_take_so_long_is_too_much_for_so_many(
    running: int, took: float, *, expected: bool
) -> None:
    load = Load(threads=4, most_seconds=1.0)

    for _ in range(50):
        load.end(took)

    assert expected == load.is_too_much(running)


def test_load_when_any_time_is_fine_is_never_too_much() -> None:
    load = Load(threads=4, most_seconds=0)

    load.end(9.0)

    assert not load.is_too_much(10_000)
    assert (False, 1.0) == load.may_accept(4)
