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
        return [float(line.partition(",")[0]) for line in lines] == [right * one for one in areas]
    found = answer.json()
    if "outputs" in found:  # V2
        right = factors[found["model_version"]]
        return bool(found["outputs"][0]["data"] == [right * one for one in areas])
    if "schema" in found:  # model_info
        return found["model"]["version"] in factors
    if "model" not in found:  # V1 names no version
        return found["predictions"] in [[one * area for area in areas] for one in factors.values()]
    right = factors[found["model"]["version"]]
    many = found.get("predictions") or [found["prediction"]]
    return [one["value"] for one in many] == [right * one for one in areas]


def questions(versions: list[str]) -> list[Question]:
    """Give requests for the loop and for threads, in several forms and protocols."""
    factors = {version: place + 1 for place, version in enumerate(versions)}
    records = [{**RENT, "area": one} for one in AREAS]
    table = "area,rooms,city\n" + "".join(f"{one},2,Recife\n" for one in AREAS * 200)
    csv = [(b"Content-Type", b"text/csv"), (b"Accept", b"text/csv")]
    sent: list[tuple[bytes, list[float]]] = [
        (request(json.dumps(one)), [one["area"]]) for one in records[:6]
    ]
    sent += [
        (request(json.dumps(one), path=b"/inference/rent?n"), [one["area"]]) for one in records[6:]
    ]
    sent += [
        (request(json.dumps(records)), AREAS),
        (request(table, fields=csv), AREAS * 200),
        (request(json.dumps({"inputs": tensors(records)}), path=b"/v2/models/rent/infer"), AREAS),
        (request(json.dumps({"instances": records}), path=b"/v1/models/rent:predict"), AREAS),
        (request(method=b"GET", path=b"/v0/model_info"), []),
    ]
    return [Question(one, partial(is_whole, factors=factors, areas=areas)) for one, areas in sent]


@pytest.fixture
def asked(versions: list[str]) -> list[Question]:
    return questions(versions)


def wait_for_more(load: Load, more: int = 100) -> None:
    before = load.counts["answered"]
    wait_until(lambda: load.counts["answered"] > before + more or bool(load.lost), "more answers")


def test_workers_when_versions_are_promoted_under_load_answer_each_request_by_one(
    store: ModelStore, versions: list[str], asked: list[Question], tmp_path: Path
) -> None:
    with serving(store, tmp_path) as one, serving(store, tmp_path) as other:
        both = one, other
        with steady_load(one.port, asked) as load, steady_load(other.port, asked) as second:
            pids = one.workers(), other.workers()
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
        assert pids == (one.workers(), other.workers())  # none was started anew
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
        assert [200] * 4 == [ask(one, "/v0/predict", RENT)[0] for one in connections]
        store.promote("rent", other)
        wait_until(partial(serves_only, server, other), "the version in all workers")

        for one in connections:  # those that were open before, in either worker
            status, told = ask(one, "/v0/predict", RENT)
            assert 422 == status
            assert ("/baths", "missing") in {(e["pointer"], e["code"]) for e in told["errors"]}
            one.close()
        assert 200 == server.ask(f"/v0/models/rent/versions/{versions[0]}/predict", RENT)[0]
        described = json.dumps(server.ask("/openapi.json")[1]["components"]["schemas"])
        assert '"baths"' in described and '"rooms"' not in described


@pytest.mark.slow
def test_worker_when_it_is_new_serves_what_is_promoted_from_its_first_answer_on(
    store: ModelStore, versions: list[str], asked: list[Question], tmp_path: Path
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
    """Ask one record, which one of these versions alone may answer."""
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
    damage(store, versions[3])  # the one before it cannot be read

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
