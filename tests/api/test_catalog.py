"""Several models and versions in one service."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.serving.model_cache import ModelCache
from persistence.model_persistence import ModelStore
from persistence.store_errors import VersionNotFound
from tests.support.answers import read_problem
from tests.support.application import serve
from tests.support.models import EXAMPLES, unstored


def put(
    store: ModelStore, source: ModelStore, name: str, created_at: str, *, promote: bool = True
) -> str:
    """Store the toy rent under a name."""
    card = source.read_card("rent")
    folder = source.root / "rent" / card["version"]
    files = {file: (folder / file).read_bytes() for file in card["files"]}
    version = store.write({**unstored(card), "model": name, "created_at": created_at}, files)
    if promote:
        store.promote(name, version)
    return version


@pytest.fixture(scope="module")
def store(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with two versions of rent, the older promoted, and one of house."""
    found = ModelStore(tmp_path_factory.mktemp("store"))
    put(found, toy_store, "rent", "2020-01-01T00:00:00+00:00")
    put(found, toy_store, "rent", "2021-01-01T00:00:00+00:00", promote=False)
    put(found, toy_store, "house", "2022-01-01T00:00:00+00:00")
    return found


@pytest.fixture(scope="module")
def client(store: ModelStore) -> FlaskClient:
    return serve(store, "rent").test_client()


@pytest.fixture(scope="module")
def versions(store: ModelStore) -> list[str]:
    return store.versions("rent")


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert 200 == answer.status_code
    return answer.get_json()


def test_models_when_listed_are_those_with_a_promoted_version(
    client: FlaskClient, versions: list[str]
) -> None:
    found = get(client, "/v0/models")

    assert "rent" == found["default_model"]
    assert ["house", "rent"] == [one["name"] for one in found["models"]]
    assert versions[0] == found["models"][1]["version"]


def test_model_when_described_names_its_versions(client: FlaskClient, versions: list[str]) -> None:
    found = get(client, "/v0/models/rent")

    assert versions[::-1] == found["versions"]
    assert ("rent", versions[0], "regression") == (found["name"], found["version"], found["task"])


def test_versions_when_listed_say_which_is_promoted(
    client: FlaskClient, versions: list[str]
) -> None:
    found = get(client, "/v0/models/rent/versions")

    told = [(one["version"], one["promoted"], one["created_at"]) for one in found["versions"]]
    assert [
        (versions[1], False, "2021-01-01T00:00:00+00:00"),
        (versions[0], True, "2020-01-01T00:00:00+00:00"),
    ] == told


@pytest.mark.parametrize("place", [0, 1])
def test_version_when_asked_by_name_answers_and_describes_itself(
    client: FlaskClient, versions: list[str], place: int
) -> None:
    version = versions[place]
    prefix = f"/v0/models/rent/versions/{version}"

    answer = client.post(f"{prefix}/predict", json=EXAMPLES["rent"]).get_json()

    assert {"name": "rent", "version": version} == answer["model"]
    assert version == get(client, f"{prefix}/model_info")["model"]["version"]


def test_model_when_asked_at_its_second_address_answers_the_same(client: FlaskClient) -> None:
    one, other = (
        client.post(path, json=EXAMPLES["rent"]).get_json()
        for path in ("/inference/house", "/v0/models/house/predict")
    )

    assert "house" == one["model"]["name"]
    assert (one["prediction"], one["model"]) == (other["prediction"], other["model"])


@pytest.mark.parametrize("version", ["20200101T000000Z-00000", "..", "x" * 300, "%00"])
def test_version_when_there_is_none_is_not_found(client: FlaskClient, version: str) -> None:
    for name in ("rent", "nobody"):
        path = f"/v0/models/{name}/versions/{version}"
        read_problem(client.post(f"{path}/predict", json=EXAMPLES["rent"]), 404)
        read_problem(client.get(f"{path}/model_info"), 404)


@pytest.mark.parametrize("path", ["/v0/models/nobody", "/v0/models/nobody/versions"])
def test_model_when_there_is_none_is_not_found(client: FlaskClient, path: str) -> None:
    read_problem(client.get(path), 404)


def test_model_when_trained_meanwhile_appears(toy_store: ModelStore, tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    put(store, toy_store, "rent", "2020-01-01T00:00:00+00:00")
    client = serve(store, "rent").test_client()
    read_problem(client.post("/v0/models/house/predict", json=EXAMPLES["rent"]), 404)

    put(store, toy_store, "house", "2022-01-01T00:00:00+00:00")

    assert 200 == client.post("/v0/models/house/predict", json=EXAMPLES["rent"]).status_code
    assert ["house", "rent"] == [one["name"] for one in get(client, "/v0/models")["models"]]
    assert "/v0/models/house/predict" in get(client, "/openapi.json")["paths"]


def test_versions_when_too_many_are_asked_leave_the_memory_in_turn(
    store: ModelStore, versions: list[str]
) -> None:
    models = ModelCache(store, "house", most=2)
    default = models.get()

    first = models.get("rent")
    assert first is models.loaded("rent") is models.get("rent", versions[0])
    second = models.get("rent", versions[1])

    assert default is models.loaded()
    assert second is models.loaded("rent", versions[1])
    assert None is models.loaded("rent")
    assert first is not models.get("rent")
    assert None is models.loaded("rent", versions[1])


def test_version_when_it_was_asked_lately_stays_in_memory(
    store: ModelStore, toy_store: ModelStore, versions: list[str]
) -> None:
    models = ModelCache(store, "house", most=3)
    models.get()
    first, second = (models.get("rent", version) for version in versions)
    assert first is models.loaded("rent", versions[0])  # the second is now the older

    put(store, toy_store, "flat", "2023-01-01T00:00:00+00:00")
    models.get("flat")

    assert first is models.loaded("rent", versions[0])
    assert None is models.loaded("rent", versions[1])
    assert second.version == versions[1]
    with pytest.raises(VersionNotFound, match="has no version"):
        models.get("rent", "20200101T000000Z-00000")


def test_version_when_named_is_found_by_its_name_at_every_address(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path)
    put(store, toy_store, "rent", "2020-01-01T00:00:00+00:00")
    named = put(store, toy_store, "rent", "2021-01-01T00:00:00+00:00", promote=False)
    store.give_name("rent", named, "v3")
    client, above = serve(store, "rent").test_client(), "/v0/models/rent/versions"

    listed = get(client, above)["versions"]
    answers = [client.post(f"{above}/{version}/predict", json=EXAMPLES["rent"]).get_json()
               for version in ("v3", named)]  # fmt: skip

    assert [(named, "v3"), (store.promoted("rent"), None)] == [
        (entry["version"], entry["version_name"]) for entry in listed
    ]
    assert answers[0] == answers[1]
    assert named == answers[0]["model"]["version"]
    assert get(client, f"{above}/v3") == get(client, f"{above}/{named}")
    assert "v3" == get(client, f"{above}/v3")["version_name"]
    assert named == get(client, f"{above}/v3/model_info")["model"]["version"]
    assert [named] == get(client, "/v2/models/rent/versions/v3")["versions"]
    pages = [f"{above}/v3", "/models/rent/versions"]
    chips = [client.get(path, headers={"Accept": "text/html"}).text for path in pages]
    assert [1, 1] == [page.count('<span class="chip">v3</span>') for page in chips]
    assert 404 == client.get(f"{above}/v4").status_code
