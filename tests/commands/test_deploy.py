"""`flask models deploy`: a version goes into another store, and is served there."""

from pathlib import Path

import pytest
from click.testing import Result

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import EXAMPLES
from tests.support.plain_versions import plain_store


@pytest.fixture
def store(toy_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A store with two versions of rent: the older is promoted, the newer has a name."""
    store = plain_store(tmp_path / "store", toy_store, (1, 2))
    store.give_name("rent", store.versions("rent")[1], "v2")
    return store


def deploy(store: ModelStore, version: str, place: Path | str) -> Result:
    arguments = ["models", "deploy", "rent", version, str(place)]
    return serve(store, "rent").test_cli_runner().invoke(args=arguments)


def test_version_when_deployed_is_promoted_there_with_its_name_and_here_nothing_changes(
    store: ModelStore, tmp_path: Path
) -> None:
    there, before = ModelStore(tmp_path / "there"), store.pointer("rent")
    version = store.versions("rent")[1]

    done = [deploy(store, "v2", tmp_path / "there") for _ in range(2)]

    assert [(0, f"{version} of rent is promoted in {tmp_path / 'there'}.\n")] * 2 == [
        (one.exit_code, one.stdout) for one in done
    ]
    assert ([version], version) == (there.versions("rent"), there.promoted("rent"))
    assert version == there.identifier("rent", "v2")
    assert before == store.pointer("rent")
    answered = serve(there, "rent").test_client().post("/v0/predict", json=EXAMPLES["rent"])
    assert (200, version) == (answered.status_code, answered.get_json()["model"]["version"])


def test_version_when_it_cannot_be_deployed_changes_nothing(
    store: ModelStore, tmp_path: Path
) -> None:
    one, two = store.versions("rent")
    deploy(store, one, tmp_path / "there")
    there = ModelStore(tmp_path / "there")
    there.give_name("rent", one, "v2")

    taken = deploy(store, "v2", tmp_path / "there")
    absent = deploy(store, "v9", tmp_path / "there")
    nowhere = deploy(store, "v2", "ftp://there")
    (store.root / "rent" / two / "model.onnx").write_bytes(b"other")
    damaged = deploy(store, "v2", tmp_path / "there")

    assert f"v2 is the name of {one} of rent in {tmp_path / 'there'}" in taken.stderr
    assert "model 'rent' has no version 'v9'" in absent.stderr
    assert "'ftp://there' is not a store" in nowhere.stderr
    assert f"{two} of rent is not deployed: " in damaged.stderr
    assert {1} == {done.exit_code for done in (taken, absent, nowhere, damaged)}
    assert ([one], one) == (there.versions("rent"), there.promoted("rent"))
