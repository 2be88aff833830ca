"""A model that does not come back: its client is told, and its worker is replaced."""

import json
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.models import EXAMPLES, unstored
from tests.support.raw_http import Answer, connect, read_answer, read_to_end, request
from tests.support.serving import DEADLINE, Server, running, wait_until
from tests.support.table_bodies import write_csv

pytestmark = pytest.mark.slow

#: Routes that wait, work, stream, and let no other thread run.
ROUTES = """
import ctypes, pathlib, time
from flask import request
from app import app

here = pathlib.Path(__file__).parent

def wait_while(name):
    (here / "begun").touch()
    while (here / name).exists():
        time.sleep(0.005)
    (here / "back").touch()

@app.post("/held")
def held():
    wait_while("held")
    return {}

@app.get("/streamed")
def streamed():
    connection = request.environ["gunicorn.socket"]
    def parts():
        yield "first "
        connection.note_progress()
        wait_while("streaming")
        yield "last"
    return parts()

@app.get("/working")
def working():
    (here / "working").touch()
    while (here / "work").exists():
        request.environ["gunicorn.socket"].note_progress()
        time.sleep(0.005)
    return {}

@app.post("/counted")
def counted():
    (here / "counted").touch()
    return {}

@app.post("/greedy")
def greedy():
    ctypes.PyDLL(None).sleep(1000)  # native code that keeps the interpreter's lock
"""

#: A native model that waits when it is asked for a size of 9.
NATIVE = """
from sklearn.semi_supervised import LabelSpreading

predict = LabelSpreading.predict_proba

def predict_or_wait(self, table):
    if 9 in table["size"].values:
        wait_while("held")
    return predict(self, table)

LabelSpreading.predict_proba = predict_or_wait
"""

HELD = request(b"{}", path=b"/held")
STREAMED = request(method=b"GET", path=b"/streamed", fields=[(b"Connection", b"close")])
ORDINARY = request(method=b"GET", path=b"/v0/model_info")


@pytest.fixture
def serving(toy_store: ModelStore, tmp_path: Path) -> Any:
    """Start a service of one worker, with a second for each answer."""
    (tmp_path / "held").touch()
    command = (sys.executable, "-m", "gunicorn", "mine:app")
    usual: dict[str, Any] = {
        "model_store": toy_store.root, "default_model": "parcel", "web_concurrency": 1,
        "threads": 2, "max_answer_seconds": 1, "max_wait_seconds": 1000,
    }  # fmt: skip

    def start(more: str = "", **chosen: Any) -> AbstractContextManager[Server]:
        (tmp_path / "mine.py").write_text(ROUTES + more)
        return running(
            tmp_path, command=command, until="/readyz", pythonpath=tmp_path,
            **usual | chosen,
        )  # fmt: skip

    return start


def ask(server: Server, asked: bytes) -> Answer:
    with connect(server.port) as link:
        link.sendall(asked)
        return read_answer(link)


def are_others(server: Server, old: list[int]) -> bool:
    """Tell whether the service has workers, all of them new."""
    return bool(server.workers()) and not {*old} & {*server.workers()}


@contextmanager
def sent(server: Server, asked: bytes) -> Iterator[Any]:
    """Send a request; its answer can be read later."""
    with connect(server.port) as link:
        link.sendall(asked)
        yield link


@pytest.fixture
def quick_store(toy_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A store with a native version whose card says that it is as quick as any."""
    card = toy_store.read_card("coin")
    folder = toy_store.root / "coin" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    seconds = {"one_row": 1e-5, "thousand_rows": 1e-3}
    store = ModelStore(tmp_path / "quick")
    store.promote("coin", store.write({**unstored(card), "seconds": seconds}, files))
    return store


def test_model_when_it_is_stuck_is_answered_504_and_its_worker_replaced(
    serving: Any, quick_store: ModelStore, tmp_path: Path
) -> None:
    stuck = request('{"size": 9, "edge": 1}', fields=[(b"X-Request-Id", b"stuck")])
    plain = request(json.dumps(EXAMPLES["coin"]))
    store = quick_store.root
    with serving(NATIVE, default_model="coin", model_store=store) as server:
        old = server.workers()
        with sent(server, stuck) as link:
            wait_until((tmp_path / "begun").exists, "a stuck model")
            others = [ask(server, one) for one in (plain, ORDINARY) * 3]
            answer = read_answer(link)
            assert b"" == read_to_end(link)
        wait_until(partial(are_others, server, old), "another worker")

        assert [200] * 6 == [one.status for one in others]
        assert (504, b"close") == (answer.status, answer.field(b"Connection"))
        assert b"application/problem+json" == answer.field(b"Content-Type")
        problem = read_strictly(answer.body)
        assert ("stuck", 504) == (problem["request_id"], problem["status"])
        assert "no answer in time" in problem["detail"]
        assert 200 == ask(server, plain).status
        said = server.log.read_text()
        assert "no answer in time, so 504" in said
        assert '"route": "/v0/predict"' in said and '"request_id": "stuck"' in said
        assert "WORKER TIMEOUT" not in said  # nobody waited for it
        metrics = ask(server, request(method=b"GET", path=b"/metrics")).body.decode()
        assert 'http_rejections_total{reason="deadline"} 1.0' in metrics
        assert 'http_requests_total{method="(none)",route="(none)",status="504"} 1.0' in metrics
        assert 0 == server.stop()


def test_requests_when_all_threads_are_stuck_are_answered_by_others(
    serving: Any, tmp_path: Path
) -> None:
    with serving(max_answer_seconds=2) as server:
        kept = [connect(server.port) for _ in range(50)]
        for link in kept:
            link.sendall(ORDINARY)
            assert 200 == read_answer(link).status
        with sent(server, HELD) as first, sent(server, HELD) as second:
            wait_until((tmp_path / "begun").exists, "a stuck thread")
            waiting = []
            while not select.select([first], [], [], 0.05)[0]:
                waiting += [kept.pop(), connect(server.port)]
                for link in waiting[-2:]:
                    link.sendall(ORDINARY)
            statuses = [read_answer(one).status for one in (first, second, *waiting)]
            for link in (*kept, *waiting):
                link.close()

        assert [504, 504] == statuses[:2]
        assert {*statuses} <= {200, 504}
        assert [200, 200] == statuses[-2:]  # they were not late, and had no thread
        assert 0 == server.stop()


def test_answer_when_it_has_begun_is_not_cut_and_none_is_answered_twice(
    serving: Any, tmp_path: Path
) -> None:
    (tmp_path / "streaming").touch()
    body = write_csv([EXAMPLES["parcel"]] * 5000)
    upload = request(body, fields=[(b"Content-Type", b"text/csv")])
    with serving(max_body_bytes=1000, threads=4) as server:
        with sent(server, STREAMED) as stream, sent(server, upload[:70_000]) as table:
            begun = stream.recv(100)
            with sent(server, HELD) as link:
                assert 504 == read_answer(link).status
                (tmp_path / "held").unlink()
                wait_until((tmp_path / "back").exists, "the end of what was held")
                assert b"" == read_to_end(link)
            table.sendall(upload[70_000:])
            assert 200 == read_answer(table).status
            (tmp_path / "streaming").unlink()
            streamed = begun + read_to_end(stream)

        assert streamed.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"first " in streamed and streamed.endswith(b"4\r\nlast\r\n0\r\n\r\n")
        assert 0 == server.stop()


#: A model that takes its time over each part of a table.
SLOW = """
from engine.runtime.version import StoredVersion

quick = StoredVersion.decide_matrix

def decide(version, matrix):
    time.sleep(0.8)
    (here / "parts").open("a").write("x")
    return quick(version, matrix)

StoredVersion.decide_matrix = decide
"""


def test_table_when_each_part_comes_in_time_is_answered_however_long_it_takes(
    serving: Any, tmp_path: Path
) -> None:
    body = write_csv([EXAMPLES["parcel"]] * 40_000)
    asked = request(body, fields=[(b"Content-Type", b"text/csv"), (b"Accept", b"text/csv")])
    with serving(SLOW, max_body_bytes=1000, max_answer_seconds=3) as server:
        answer = ask(server, asked)

        assert (200, 40_001) == (answer.status, answer.body.count(b"\n"))
        assert len((tmp_path / "parts").read_text()) >= 5  # which took more than 3 s
        assert 0 == server.stop()


def test_request_when_it_has_waited_too_long_is_not_begun(serving: Any, tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    with serving(threads=1) as server:
        old = server.workers()
        with sent(server, request(method=b"GET", path=b"/working")) as working:
            wait_until((tmp_path / "working").exists, "a thread at work")
            late = ask(server, request(b"{}", path=b"/counted"))
            (tmp_path / "work").unlink()
            worked = read_answer(working)

        # The thread gets on, so its worker is as good as any.
        assert (504, 200) == (late.status, worked.status)
        assert 200 == ask(server, ORDINARY).status
        assert not (tmp_path / "counted").exists()
        assert old == server.workers()


def test_service_when_it_stops_does_not_wait_for_what_is_stuck(
    serving: Any, tmp_path: Path
) -> None:
    short = "graceful_timeout = 2"
    with serving(config=short, max_answer_seconds=0) as server, sent(server, HELD) as link:
        wait_until((tmp_path / "begun").exists, "a stuck thread")
        server.process.send_signal(signal.SIGTERM)
        assert 504 == read_answer(link).status
        assert 0 == server.process.wait(DEADLINE)
    assert "SIGKILL" not in server.log.read_text()


def test_worker_when_a_model_lets_no_other_thread_run_is_killed_and_replaced(
    serving: Any,
) -> None:
    with serving(config="timeout = 3") as server:
        old = server.workers()
        with sent(server, request(b"{}", path=b"/greedy")) as link:
            assert b"" == read_to_end(link)
        wait_until(partial(are_others, server, old), "another worker")

        assert 200 == ask(server, ORDINARY).status
        assert "WORKER TIMEOUT" in server.log.read_text()
