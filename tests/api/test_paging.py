"""Lists in pages: as long as asked for, and read no further than that."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from persistence.card_file import card_text, full_card
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.file_reads import count_reads
from tests.support.models import unstored

#: More than the longest page.
MANY = 230


@pytest.fixture(scope="module")
def store(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with many versions of rent, the oldest promoted; their models are not there."""
    store = ModelStore(tmp_path_factory.mktemp("many"))
    card = unstored(toy_store.read_card("rent"))
    for number in range(MANY):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        full = full_card({**card, "created_at": at.isoformat()}, {})
        folder = store.root / "rent" / full["version"]
        folder.mkdir(parents=True)
        (folder / "card.json").write_bytes(card_text(full))
    store.promote("rent", store.versions("rent")[0])
    return store


@pytest.fixture(scope="module")
def app(store: ModelStore) -> Flask:
    return serve(store, "rent")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def names(listed: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else entry["version"] for entry in listed]


@pytest.mark.parametrize("path", ["/v0/models/rent/versions", "/v0/models/rent"])
def test_versions_when_taken_page_by_page_are_all_there_once_the_newest_first(
    client: FlaskClient, store: ModelStore, path: str
) -> None:
    taken, address = [], f"{path}?limit=100"
    for length in (100, 100, 30):
        answer = client.get(address)
        page = answer.get_json()
        assert length == len(page["versions"])
        taken += names(page["versions"])
        link = answer.headers.get("Link", "")
        query = link.removeprefix("<").removesuffix('>; rel="next"')
        assert (f"?limit=100&after={page['next']}" if page["next"] else "") == query
        address = path + query

    assert store.versions("rent")[::-1] == taken


def test_versions_when_a_client_knows_no_pages_are_the_newest(
    client: FlaskClient, store: ModelStore
) -> None:
    page = client.get("/v0/models/rent/versions").get_json()

    assert store.versions("rent")[:-51:-1] == names(page["versions"])
    assert names(page["versions"])[-1] == page["next"]


@pytest.mark.parametrize(
    ("path", "method", "most"),
    [
        ("/v0/models/rent/versions?limit=7", "GET", 7),
        ("/v0/models/rent", "GET", 0),
        ("/v2/repository/index?limit=7", "POST", 7),
        ("/v2/models/rent", "GET", 0),
        ("/v0/models", "GET", 0),
    ],
)
def test_list_when_a_page_is_short_reads_no_other_version(
    client: FlaskClient, store: ModelStore, path: str, method: str, most: int
) -> None:
    with count_reads(store.root) as reads:
        assert 200 == client.open(path, method=method).status_code

    of_the_promoted = 6  # its card and the pointer, perhaps more than once
    assert reads["open"] <= most + of_the_promoted
    assert reads["listdir"] + reads["scandir"] <= 4


def test_index_when_taken_page_by_page_has_every_version_once(
    client: FlaskClient, store: ModelStore
) -> None:
    first = client.post("/v2/repository/index")
    second = client.post("/v2/repository/index" + first.headers["Link"][1:].partition(">")[0])

    taken = [entry["version"] for entry in (*first.get_json(), *second.get_json())]
    assert store.versions("rent")[::-1] == taken
    assert "Link" not in second.headers


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("limit=0", "limit is '0': send a whole number from 1 to 200"),
        ("limit=201", "from 1 to 200"),
        ("limit=-1", "from 1 to 200"),
        ("limit=", "from 1 to 200"),
        ("limit=1e2", "from 1 to 200"),
        ("limit=%D9%A1", "from 1 to 200"),
        ("limit=1&limit=2", "limit is there 2 times: send it once"),
        ("foo=1&limit=2", "the parameter 'foo', and this address takes limit and after alone"),
        ("Limit=1&a", "the parameters 'Limit', 'a', and"),
        ("after=..", "after is '..': send what `next` is in the page before"),
        ("after=" + "x" * 5000, "send what `next` is"),
        ("after=20260101T000000Z-00000%0A", "send what `next` is"),
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/v0/models",
        "/v0/models/rent",
        "/v0/models/rent/versions",
        "/v2/repository/index",
        "/v1/models",
        "/v2/models",
    ],
)
def test_page_when_it_is_not_valid_is_refused(
    client: FlaskClient, path: str, query: str, reason: str
) -> None:
    answer = client.open(f"{path}?{query}", method="POST" if "index" in path else "GET")

    assert 400 == answer.status_code
    assert reason in (answer.get_json().get("detail") or answer.get_json()["error"])


def test_page_when_it_begins_after_a_version_that_is_gone_goes_on(
    client: FlaskClient, store: ModelStore
) -> None:
    oldest = store.versions("rent")[0]
    later = f"{oldest[:-5]}fffff"

    page = client.get(f"/v0/models/rent/versions?after={later}").get_json()

    assert [oldest] == names(page["versions"])
    assert page["next"] is None


def test_models_when_there_are_many_come_in_pages(store: ModelStore, tmp_path: Path) -> None:
    many = ModelStore(tmp_path)
    version = store.versions("rent")[0]
    card = unstored(store.read_card("rent", version))
    for name in ("a", "b", "c"):
        many.promote(name, many.write({**card, "model": name}, {}))
    client = serve(many, "b").test_client()

    first = client.get("/v0/models?limit=2").get_json()
    second = client.get(f"/v0/models?limit=2&after={first['next']}").get_json()

    assert ["a", "b"] == [model["name"] for model in first["models"]]
    assert ["c"] == [model["name"] for model in second["models"]]
    assert second["next"] is None


@pytest.mark.parametrize("path", ["/v1/models", "/v2/models"])
def test_names_when_there_are_many_come_in_pages_with_a_link(tmp_path: Path, path: str) -> None:
    store = ModelStore(tmp_path)
    names = [f"m{number:03}" for number in range(MANY)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "promoted.json").write_text("{}")
    client = serve(store, "m000").test_client()

    first = client.get(path)
    second = client.get(path + first.headers["Link"][1:].partition(">")[0])

    assert names[:200] == first.get_json()["models"]
    assert {"models": names[200:]} == second.get_json()
    assert "Link" not in second.headers


def test_command_when_there_are_many_lists_them_in_pages(app: Flask, store: ModelStore) -> None:
    runner = app.test_cli_runner()
    taken: list[str] = []
    after: list[str] = []
    for _ in range(3):
        with count_reads(store.root) as reads:
            done = runner.invoke(args=["models", "list", "--json", "--limit", "100", *after])
        assert reads["open"] <= 103
        page = json.loads(done.stdout)
        taken += names(page["versions"])
        after = ["--after", page["next"]]

    assert store.versions("rent")[::-1] == taken
    assert page["next"] is None
    text = runner.invoke(args=["models", "list", "--model", "rent", "--limit", "1"]).stdout
    assert f"There are more: flask models list --model rent --after rent/{taken[0]}" in text
    wrong = runner.invoke(args=["models", "list", "--after", "../x"])
    assert 2 == wrong.exit_code
    assert "'../x' is not a model and a version: give NAME/VERSION" in wrong.stderr
