"""A hundred models in one process: read when they are needed, and let go again."""

import gc
import json
import shutil
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.loading import load_version
from engine.serving.model_cache import ModelCache
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import EXAMPLES, make_once, unstored
from tests.support.runtimes import RUN_FILE

COUNT = 100
NAMES = [f"rent_{number:03}" for number in range(COUNT)]
MOST = 20

#: What every copy answers to the toy's example.
RECORD = EXAMPLES["rent"]


@pytest.fixture(scope="module")
def store(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with a version of rent under a hundred names."""

    def make(store: ModelStore) -> None:
        card = toy_store.read_card("rent")
        content = (toy_store.root / "rent" / card["version"] / RUN_FILE).read_bytes()
        body = unstored(card)
        for name in NAMES:
            version = store.write({**body, "model": name}, {RUN_FILE: content})
            store.promote(name, version)

    return make_once(tmp_path_factory, "many", make)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are read from the store, in their order."""
    names: list[str] = []
    original = ModelStore.files

    def watch(self: ModelStore, card: Mapping[str, Any]) -> Path:
        names.append(card["model"])
        return original(self, card)

    monkeypatch.setattr(ModelStore, "files", watch)
    return names


def ask(client: Any, name: str) -> Any:
    answer = client.post(f"/v0/models/{name}/predict", json=RECORD)
    assert 200 == answer.status_code, answer.text
    body = answer.get_json()
    assert name == body["model"]["name"]
    return body["prediction"]["value"]


def test_models_when_many_are_stored_are_read_only_when_asked(
    store: ModelStore, read: list[str]
) -> None:
    client = serve(store, NAMES[0], versions_in_memory=MOST).test_client()

    listed = client.get(f"/v0/models?limit={COUNT}").get_json()["models"]
    paths = client.get("/openapi.json").get_json()["paths"]

    assert NAMES == [model["name"] for model in listed]
    assert {f"/v0/models/{name}/predict" for name in NAMES} <= set(paths)
    assert [] == read
    ask(client, NAMES[7])
    assert [NAMES[7]] == read


def test_models_when_all_are_asked_all_answer_and_the_least_recent_leave(
    store: ModelStore, toy_store: ModelStore, read: list[str]
) -> None:
    expected = load_version(toy_store, "rent").card["example"]["value"]
    read.clear()
    client = serve(store, NAMES[0], versions_in_memory=MOST).test_client()

    assert [expected] * COUNT == [pytest.approx(ask(client, name)) for name in NAMES]
    assert NAMES == read
    read.clear()
    for name in (*NAMES[-MOST + 1 :], NAMES[0]):  # the default stays
        ask(client, name)
    assert [] == read
    ask(client, NAMES[1])
    assert [NAMES[1]] == read
    ask(client, NAMES[COUNT - MOST + 1])  # the least recently used made room for it
    assert [NAMES[1], NAMES[COUNT - MOST + 1]] == read


@pytest.mark.slow
def test_versions_when_they_leave_are_forgotten(store: ModelStore) -> None:
    models = ModelCache(store, NAMES[0], most=MOST)

    alive = [weakref.ref(models.get(name)) for name in NAMES]
    gc.collect()

    assert MOST == sum(reference() is not None for reference in alive)


@pytest.mark.slow
def test_models_when_threads_ask_at_once_answer_rightly(
    store: ModelStore, toy_store: ModelStore
) -> None:
    schema = load_version(toy_store, "rent").schema
    records = [{**RECORD, "area": 20.0 + at} for at in range(COUNT)]
    expected = [
        prediction.value
        for prediction in load_version(toy_store, "rent").predict(schema.columns(records))
    ]
    app = serve(store, NAMES[0], versions_in_memory=2)

    def ask_all(shift: int) -> list[Any]:
        client = app.test_client()
        answers = []
        for at in range(50):
            place = (at * 37 + shift * 11) % COUNT
            path = f"/v0/models/{NAMES[place]}/predict"
            answer = json.loads(client.post(path, json=records[place]).data)
            answers.append((place, answer["model"]["name"], answer["prediction"]["value"]))
        return answers

    with ThreadPoolExecutor(4) as pool:
        for answers in pool.map(ask_all, range(4)):
            assert [NAMES[place] for place, _, _ in answers] == [name for _, name, _ in answers]
            assert [pytest.approx(expected[place]) for place, _, _ in answers] == [
                value for _, _, value in answers
            ]


def test_models_when_one_is_damaged_leave_the_others_alone(
    store: ModelStore, tmp_path: Path
) -> None:
    shutil.copytree(store.root, tmp_path / "store")
    damaged = ModelStore(tmp_path / "store")
    (damaged.root / NAMES[5] / damaged.promoted(NAMES[5]) / RUN_FILE).write_bytes(b"x")
    client = serve(damaged, NAMES[0]).test_client()

    assert 503 == client.post(f"/v0/models/{NAMES[5]}/predict", json=RECORD).status_code
    assert ask(client, NAMES[4]) == ask(client, NAMES[6])
    assert COUNT == len(client.get(f"/v0/models?limit={COUNT}").get_json()["models"])
