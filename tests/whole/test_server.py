"""The service as it runs: gunicorn with the project's settings, on a real port."""

import json
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.project import ROOT, copy_project
from tests.support.runtimes import BEST, RUN_FILE
from tests.support.serving import DEADLINE, Server, ask, running, wait_until

HEAVY = ("sklearn", "scipy", "pandas")


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of parcel, which is exported; coin, which is native, is not to be asked here."""
    folder = tmp_path_factory.mktemp("server")
    with running(
        folder, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as started:
        yield started


def mapped(pid: int) -> set[str]:
    """Name the packages of which a process has mapped compiled parts."""
    return {
        part
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines()
        for part in line.partition("/")[2].split("/")
    }


@pytest.mark.slow
def test_server_when_it_serves_an_export_has_not_loaded_what_training_needs(
    server: Server,
) -> None:
    for _ in range(20):
        assert 200 == server.ask("/v0/predict", EXAMPLES["parcel"])[0]
        assert 200 == server.ask("/v0/model_info")[0]
        assert 200 == server.ask("/openapi.json")[0]

    is_onnx = BEST == "onnx"
    assert [is_onnx] * 2 == ["onnxruntime" in mapped(pid) for pid in server.workers()]
    for pid in (server.process.pid, *server.workers()):
        assert set() == mapped(pid) & {*HEAVY, "skl2onnx", "matplotlib"}


@pytest.mark.slow
def test_server_when_it_serves_a_native_version_answers_too(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    version = load_version(toy_store, "coin")
    (expected,) = version.predict(version.schema.columns([EXAMPLES["coin"]]))

    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="coin"
    ) as server:
        status, answer = server.ask("/v0/predict", EXAMPLES["coin"])

        assert (200, expected.value) == (status, answer["prediction"]["value"])
        assert expected.probability == answer["prediction"]["probability"]
        # So the other test would notice them.
        assert set(HEAVY) <= set.union(*(mapped(pid) for pid in server.workers()))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose only model is rent."""
    folder = copy_project(tmp_path_factory.mktemp("project") / "copy")
    shutil.copy(ROOT / "tests/support/toys/rent.py", folder / "models")
    return folder


@pytest.mark.slow
def test_server_when_nothing_is_stored_trains_before_it_listens(
    project: Path, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path / "store")

    with running(
        tmp_path, project=project, until="/health", model_store=store.root, default_model="rent"
    ) as server:
        status, ready = server.ask("/readyz")
        _, answer = server.ask("/v0/predict", EXAMPLES["rent"])

    assert 200 == status
    assert [ready["model"]["version"]] == store.versions("rent")
    assert 1765 == pytest.approx(answer["prediction"]["value"], abs=30)
    assert "no version of rent is stored: training one" in server.log.read_text()


@pytest.mark.slow
def test_server_when_told_not_to_train_starts_without_a_version(
    project: Path, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path / "store")

    with running(
        tmp_path, project=project, model_store=store.root, default_model="rent",
        train_if_absent="false",
    ) as server:  # fmt: skip
        assert 503 == server.ask("/readyz")[0]
        assert 503 == server.ask("/v0/predict", EXAMPLES["rent"])[0]
        assert (200, "degraded") == (server.ask("/health")[0], server.ask("/health")[1]["status"])

    assert not store.root.exists()


@pytest.mark.slow
def test_server_when_reloaded_serves_the_version_that_was_promoted_meanwhile(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    shutil.copytree(toy_store.root / "rent", tmp_path / "rent")
    store = ModelStore(tmp_path)
    old = store.promoted("rent")
    content = (tmp_path / "rent" / old / RUN_FILE).read_bytes()
    card = {**store.read_card("rent"), "created_at": "2021-01-01T00:00:00+00:00"}
    new = store.write(
        {key: card[key] for key in card if key not in ("format", "files", "digest", "version")},
        {RUN_FILE: content},
    )

    with running(
        tmp_path, until="/readyz", model_store=store.root, default_model="rent",
        config="def post_worker_init(worker):\n    '''Let nobody watch.'''\n",
    ) as server:  # fmt: skip

        def served() -> str:
            return str(server.ask("/v0/predict", EXAMPLES["rent"])[1]["model"]["version"])

        store.promote("rent", new)
        assert old == served()
        workers = server.workers()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not {*workers} & {*server.workers()}, "new workers for all old ones")

        assert {new} == {served() for _ in range(10)}


@pytest.mark.slow
def test_server_when_told_to_stop_answers_the_request_in_flight(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    body = json.dumps(EXAMPLES["parcel"]).encode()
    head = (
        "POST /v0/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )

    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as server:
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
            connection.sendall(head.encode())
            # The worker has the request in hand and asks for the body.
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: len(server.workers()) < 2, "the end of the idle worker")
            connection.sendall(body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"prediction"' in answer
        assert 0 == server.process.wait(DEADLINE)
    assert "Traceback" not in server.log.read_text()


@pytest.mark.slow
def test_server_when_idle_and_told_to_stop_ends_with_0(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(tmp_path, model_store=toy_store.root, default_model="rent") as server:
        assert 0 == server.stop()

    assert "Traceback" not in server.log.read_text()


@pytest.mark.slow
def test_server_when_many_ask_at_once_answers_each_rightly(
    server: Server, toy_store: ModelStore
) -> None:
    version = load_version(toy_store, "parcel")
    records = [{**EXAMPLES["parcel"], "weight": n / 2.5, "pieces": 1 + n % 50} for n in range(240)]
    expected = [
        {"value": one.value, "probability": one.probability}
        for one in version.predict(version.schema.columns(records))
    ]

    def ask_all(chunk: list[dict[str, Any]]) -> list[dict[str, Any]]:
        connection = server.connect()
        answers = [ask(connection, "/v0/predict", record)[1]["prediction"] for record in chunk]
        connection.close()
        return [{key: one[key] for key in ("value", "probability")} for one in answers]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask_all, [records[first::8] for first in range(8)]))

    assert [expected[first::8] for first in range(8)] == answers
