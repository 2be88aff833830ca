"""Another version is promoted under a running service: all workers serve it, nothing is lost."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.support.exposed import Exposed
from tests.support.plain_versions import RENT, damage, plain_store, write_plain
from tests.support.raw_http import Answer, request
from tests.support.serving import DEADLINE, Server, ask, running, wait_until
from tests.support.steady_load import Load, Question, steady_load
from tests.support.tensors import tensors

AREAS = [20.5 + 3 * n for n in range(12)]


@pytest.fixture
def store(tmp_path: Path, toy_store: ModelStore) -> ModelStore:
    """A store with four versions: they answer the area once, twice, three and four times."""
    return plain_store(tmp_path / "store", toy_store, (1, 2, 3, 4))


@pytest.fixture
def versions(store: ModelStore) -> list[str]:
    return store.versions("rent")


def serving(store: ModelStore, folder: Path, **chosen: Any) -> Any:
    settings = {"model_store": store.root, "default_model": "rent", **chosen}
    return running(folder, until="/readyz", **settings)


def in_memory(server: Server) -> dict[str, int]:
    """Count the workers that have each version in memory."""
    exposed = Exposed(server.ask("/metrics")[1].decode())
    return {version: int(n) for (version,), n in exposed.of("model_loaded", "version").items()}


def serves_only(server: Server, version: str, workers: int = 2) -> bool:
    # gunicorn's master keeps the version that it has read, and says nothing of it.
    return in_memory(server) == {version: workers}


def served(server: Server) -> set[str]:
    """Ask a dozen times, each on a connection of its own; give the versions that answered."""
    return {server.ask("/v0/predict", RENT)[1]["model"]["version"] for _ in range(12)}


def is_whole(answer: Answer, *, factors: dict[str, int], areas: list[float]) -> bool:
    """Tell whether an answer is that of the version that it names, wholly."""
    if answer.status != 200:
        return False
    kind, version = (answer.field(b"Content-Type") or b""), answer.field(b"X-Model-Version")
    if kind.startswith(b"text/csv"):
        right = factors[(version or b"").decode()]
        lines = answer.body.decode().splitlines()[1:]
        return [float(line.partition(",")[0]) for line in lines] == [right * area for area in areas]
    body = answer.json()
    if "outputs" in body:  # V2
        right = factors[body["model_version"]]
        return bool(body["outputs"][0]["data"] == [right * area for area in areas])
    if "schema" in body:  # model_info
        return body["model"]["version"] in factors
    if "model" not in body:  # V1 names no version
        return body["predictions"] in [
            [factor * area for area in areas] for factor in factors.values()
        ]
    right = factors[body["model"]["version"]]
    many = body.get("predictions") or [body["prediction"]]
    return [answer["value"] for answer in many] == [right * area for area in areas]


def questions(versions: list[str]) -> list[Question]:
    """Give requests for the loop and for threads, in several forms and protocols."""
    factors = {version: place + 1 for place, version in enumerate(versions)}
    records = [{**RENT, "area": area} for area in AREAS]
    table = "area,rooms,city\n" + "".join(f"{area},2,Recife\n" for area in AREAS * 200)
    csv = [(b"Content-Type", b"text/csv"), (b"Accept", b"text/csv")]
    sent: list[tuple[bytes, list[float]]] = [
        (request(json.dumps(record)), [record["area"]]) for record in records[:6]
    ]
    sent += [
        (request(json.dumps(record), path=b"/inference/rent?"), [record["area"]])
        for record in records[6:]
    ]
    sent += [
        (request(json.dumps(records)), AREAS),
        (request(table, fields=csv), AREAS * 200),
        (request(json.dumps({"inputs": tensors(records)}), path=b"/v2/models/rent/infer"), AREAS),
        (request(json.dumps({"instances": records}), path=b"/v1/models/rent:predict"), AREAS),
        (request(method=b"GET", path=b"/v0/model_info"), []),
    ]
    return [Question(raw, partial(is_whole, factors=factors, areas=areas)) for raw, areas in sent]


@pytest.fixture
def load_questions(versions: list[str]) -> list[Question]:
    return questions(versions)


def wait_for_more(load: Load, more: int = 100) -> None:
    before = load.counts["answered"]
    wait_until(lambda: load.counts["answered"] > before + more or bool(load.lost), "more answers")


@pytest.mark.slow
def test_workers_when_versions_are_promoted_under_load_answer_each_request_by_one(
    store: ModelStore, versions: list[str], load_questions: list[Question], tmp_path: Path
) -> None:
    with serving(store, tmp_path) as first, serving(store, tmp_path) as other:
        both = first, other
        with (
            steady_load(first.port, load_questions) as load,
            steady_load(other.port, load_questions) as second,
        ):
            pids = first.workers(), other.workers()
            for version, is_rollback in (
                (versions[1], False), (versions[2], False), (versions[1], True),
                (versions[3], False), (versions[0], False),
            ):  # fmt: skip
                store.promote("rent", version, is_rollback=is_rollback)
                for server in both:
                    wait_until(partial(serves_only, server, version), "the version in all workers")
                    assert {version} == served(server)
                wait_for_more(load)
            load.stopping.set()
            second.stopping.set()
        assert ([], []) == (load.lost, second.lost)
        assert 0 == load.counts["refused"] + second.counts["refused"]
        assert pids == (first.workers(), other.workers())  # no worker was started anew
        assert [0, 0] == [server.stop() for server in both]


@pytest.mark.slow
def test_table_when_it_comes_while_a_version_is_promoted_is_answered_by_the_old_one(
    store: ModelStore, versions: list[str], tmp_path: Path
) -> None:
    rows = 30_000

    with serving(store, tmp_path, max_body_bytes=10_000) as server:

        def pieces() -> Iterator[bytes]:
            yield b"area,rooms,city\n" + b"2.5,2,Recife\n" * (rows // 2)
            store.promote("rent", versions[2])
            wait_until(lambda: served(server) == {versions[2]}, "the new version everywhere")
            yield b"2.5,2,Recife\n" * (rows // 2)

        connection = server.connect()
        kind = {"Content-Type": "text/csv", "Accept": "text/csv"}
        connection.request("POST", "/v0/predict", pieces(), kind, encode_chunked=True)
        answer = connection.getresponse()
        lines = answer.read().splitlines()
        connection.close()

        assert versions[0] == answer.headers["X-Model-Version"]
        assert [b"2.5,"] * rows == lines[1:]
        wait_until(partial(serves_only, server, versions[2]), "the end of the old version")


@pytest.mark.slow
def test_client_when_the_schema_changes_is_told_what_is_new(
    store: ModelStore, versions: list[str], toy_store: ModelStore, tmp_path: Path
) -> None:
    other = write_plain(store, toy_store, 7, renamed="baths")

    with serving(store, tmp_path) as server:
        connections = [server.connect() for _ in range(4)]
        assert [200] * 4 == [ask(connection, "/v0/predict", RENT)[0] for connection in connections]
        store.promote("rent", other)
        wait_until(partial(serves_only, server, other), "the version in all workers")

        for connection in connections:  # those that were open before, in either worker
            status, problem = ask(connection, "/v0/predict", RENT)
            assert 422 == status
            assert ("/baths", "missing") in {(e["pointer"], e["code"]) for e in problem["errors"]}
            connection.close()
        assert 200 == server.ask(f"/v0/models/rent/versions/{versions[0]}/predict", RENT)[0]
        described = json.dumps(server.ask("/openapi.json")[1]["components"]["schemas"])
        assert '"baths"' in described and '"rooms"' not in described


@pytest.mark.slow
def test_worker_when_it_is_new_serves_what_is_promoted_from_its_first_answer_on(
    store: ModelStore, versions: list[str], load_questions: list[Question], tmp_path: Path
) -> None:
    with serving(store, tmp_path) as server:
        store.promote("rent", versions[3])
        wait_until(partial(serves_only, server, versions[3]), "the version in all workers")
        with steady_load(server.port, questions_of(versions[3:], 4)) as load:
            old = {*server.workers()}
            for pid in sorted(old):
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not old & {*server.workers()}, "new workers")
            wait_for_more(load, 300)
            load.stopping.set()
        assert [] == load.lost
        assert 0 == server.stop()


def questions_of(versions: list[str], factor: int) -> list[Question]:
    """Send a record that only one of these versions may answer."""
    sent = request(json.dumps(RENT))
    factors = dict.fromkeys(versions, factor)

    def is_right(answer: Answer) -> bool:
        named = answer.json()["model"]["version"]
        return named in factors and is_whole(answer, factors=factors, areas=[RENT["area"]])

    return [Question(sent, is_right)]


@pytest.mark.slow
def test_service_when_the_promoted_version_is_poisoned_serves_the_last_good_one(
    store: ModelStore, versions: list[str], toy_store: ModelStore, tmp_path: Path
) -> None:
    wrong = write_plain(store, toy_store, 9, example=4.0)
    for version in (*versions[1:], wrong):
        store.promote("rent", version)
    damage(store, versions[3])  # the version before it cannot be read

    with serving(store, tmp_path) as server:
        assert {versions[2]} == served(server)
        assert versions[2] == server.ask("/readyz")[1]["model"]["version"]
        _, health = server.ask("/health")
        assert "degraded" == health["status"] and wrong in health["reason"]
        assert wrong == server.ask("/v0/models/rent")[1]["refused"]["version"]
        said = server.log.read_text()
        assert f"{wrong} of rent is not served" in said
        assert f"{versions[3]} of rent is not served" in said

        store.promote("rent", versions[1])
        wait_until(partial(serves_only, server, versions[1]), "the version in all workers")
        store.promote("rent", wrong)
        wait_until(lambda: "degraded" == server.ask("/health")[1]["status"], "the refusal")
        old = {*server.workers()}
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not old & {*server.workers()}, "only new workers")

        assert {versions[1]} == served(server)
        assert 0 == server.stop()


@pytest.mark.slow
def test_service_when_every_version_is_poisoned_is_not_ready(
    store: ModelStore, versions: list[str], tmp_path: Path
) -> None:
    for version in versions:
        damage(store, version)

    with running(tmp_path, until="/livez", model_store=store.root, default_model="rent") as server:
        assert 503 == server.ask("/readyz")[0] == server.ask("/v0/predict", RENT)[0]
        (path,) = (store.root / "rent" / versions[0]).glob("model.onnx")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        wait_until(lambda: server.answers("/readyz"), "the version that is whole again")
        server.process.send_signal(signal.SIGTERM)
        assert 0 == server.process.wait(DEADLINE)
