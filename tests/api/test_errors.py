"""What is answered when the service itself is at fault: plainly, and nothing of its inside."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LogisticRegression

from engine.runtime.native import NativeRuntime
from persistence.model_persistence import ModelStore
from tests.support.answers import found, read_problem, read_strictly
from tests.support.application import serve
from tests.support.models import unstored
from tests.support.runtimes import RUN_FILE
from tests.support.toys import coin

PARCEL = {"weight": 1, "pieces": 1, "colour": "red", "fragile": False}
COIN = {"size": 1, "edge": 1}

#: What no answer may tell.
INSIDE = [
    "/",
    "Traceback",
    "Error:",
    "sklearn",
    "skops",
    "onnx",
    "digest",
    "NotFitted",
    ".py",
    "tmp",
]


def assert_nothing_of_the_inside(body: dict[str, Any], *others: str) -> None:
    told = json.dumps({key: body[key] for key in body if key != "request_id"})
    assert [] == [word for word in (*INSIDE, *others) if word in told]


@pytest.fixture
def store(toy_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A copy of the toys, to be damaged."""
    shutil.copytree(toy_store.root, tmp_path / "store")
    return ModelStore(tmp_path / "store")


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def assert_not_served(client: FlaskClient, record: dict[str, Any], *words: str) -> None:
    for answer in (
        client.post("/v0/predict", json=record),
        client.get("/v0/model_info"),
        client.get("/readyz"),
    ):
        assert_nothing_of_the_inside(read_problem(answer, 503), *words)
    assert 200 == client.get("/livez").status_code
    health = client.get("/health")
    assert 200 == health.status_code
    assert "degraded" == read_strictly(health.data)["status"]
    assert "openapi" in read_strictly(client.get("/openapi.json").data)
    assert 200 == client.get("/docs").status_code


def test_service_when_nothing_is_stored_says_so_and_stays_alive(tmp_path: Path) -> None:
    client = serve(ModelStore(tmp_path / "nothing"), "parcel").test_client()

    assert_not_served(client, PARCEL)
    read_problem(client.post("/v0/models/parcel/predict", json=PARCEL), 404)
    read_problem(client.get("/v0/models/parcel/model_info"), 404)


def test_service_when_a_version_appears_serves_it(toy_store: ModelStore, tmp_path: Path) -> None:
    client = serve(ModelStore(tmp_path / "store"), "parcel").test_client()
    read_problem(client.post("/v0/predict", json=PARCEL), 503)

    shutil.copytree(toy_store.root, tmp_path / "store")

    assert 200 == client.post("/v0/predict", json=PARCEL).status_code
    assert 200 == client.get("/readyz").status_code


@pytest.mark.parametrize(
    ("model", "file", "record"),
    [
        ("parcel", RUN_FILE, PARCEL),
        ("coin", "model.skops", COIN),
        ("parcel", "card.json", PARCEL),
    ],
)
@pytest.mark.parametrize("harm", ["one bit", "cut off"])
def test_service_when_a_file_is_damaged_refuses_the_version(
    store: ModelStore, model: str, file: str, record: dict[str, Any], harm: str
) -> None:
    path = store.root / model / store.promoted(model) / file
    if harm == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        damage(path)

    client = serve(store, model).test_client()

    assert_not_served(client, record, file, str(store.root))
    read_problem(client.post(f"/v0/models/{model}/predict", json=record), 503)


def test_service_when_the_model_file_is_gone_refuses_the_version(store: ModelStore) -> None:
    (store.root / "parcel" / store.promoted("parcel") / RUN_FILE).unlink()

    assert_not_served(serve(store, "parcel").test_client(), PARCEL, RUN_FILE)


def test_service_when_the_promoted_version_is_gone_refuses_it(store: ModelStore) -> None:
    version = store.promoted("parcel")
    shutil.rmtree(store.root / "parcel" / version)

    client = serve(store, "parcel").test_client()

    assert_not_served(client, PARCEL, version)
    read_problem(client.post("/v0/models/parcel/predict", json=PARCEL), 503)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"version": "x"'])
def test_service_when_the_pointer_is_damaged_serves_the_newest_version_and_says_so(
    store: ModelStore, content: bytes
) -> None:
    version = store.promoted("parcel")
    (store.root / "parcel" / "promoted.json").write_bytes(content)

    client = serve(store, "parcel").test_client()

    answer = read_strictly(client.post("/v0/predict", json=PARCEL).data)
    health = read_strictly(client.get("/health").data)
    assert version == answer["model"]["version"]
    assert 200 == client.get("/readyz").status_code
    assert "degraded" == health["status"] and "the pointer of parcel is refused" in health["reason"]
    (store.root / "parcel" / version / RUN_FILE).unlink()
    assert_not_served(serve(store, "parcel").test_client(), PARCEL, "promoted")


def test_service_when_one_model_is_damaged_serves_the_others(store: ModelStore) -> None:
    damage(store.root / "parcel" / store.promoted("parcel") / "card.json")

    client = serve(store, "coin").test_client()

    paths = read_strictly(client.get("/openapi.json").data)["paths"]
    assert 200 == client.get("/readyz").status_code
    assert 200 == client.post("/v0/predict", json=COIN).status_code
    assert "/v0/models/coin/predict" in paths
    assert "/v0/models/parcel/predict" not in paths


def test_service_when_it_has_loaded_a_version_needs_its_files_no_more(store: ModelStore) -> None:
    client = serve(store, "parcel").test_client()
    before = client.post("/v0/predict", json=PARCEL)

    shutil.rmtree(store.root)

    answer = client.post("/v0/predict", json=PARCEL)
    assert 200 == answer.status_code
    assert read_strictly(before.data)["prediction"] == read_strictly(answer.data)["prediction"]
    assert 200 == client.get("/readyz").status_code


def serve_instead(store: ModelStore, pipeline: Any) -> FlaskClient:
    """Serve coin, and another pipeline in its place once it has been found good."""
    app = serve(store, "coin")
    version = app.extensions["resources"].models.get()
    version._runtime = NativeRuntime(pipeline, version.schema.fields)
    return app.test_client()


@pytest.fixture
def failing(store: ModelStore) -> FlaskClient:
    """A service whose model raises: a pipeline that was never fitted."""
    return serve_instead(store, coin.build_pipeline())


def test_service_when_the_model_raises_answers_500_with_nothing_of_its_inside(
    failing: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing.post("/v0/predict", json=COIN, headers={"X-Request-Id": "find-me"})

    assert_nothing_of_the_inside(read_problem(answer, 500), "LabelSpreading", "fit")
    assert "find-me" == answer.headers["X-Request-Id"]
    (record,) = [one for one in caplog.records if "find-me" in one.getMessage()]
    assert record.exc_info


def test_service_when_the_model_raises_is_degraded_and_not_ready(failing: FlaskClient) -> None:
    assert "degraded" == read_strictly(failing.get("/health").data)["status"]
    assert_nothing_of_the_inside(read_problem(failing.get("/readyz"), 503), "LabelSpreading")


def test_service_when_a_probability_is_no_number_refuses_the_record(store: ModelStore) -> None:
    table = coin.load_data(Path())
    model = LogisticRegression().fit(table[["size", "edge"]], table["side"])
    model.coef_ = np.array([[np.nan, 1]])

    answer = serve_instead(store, model).post("/v0/predict", json=COIN)

    assert {("", "no_finite_answer")} == found(read_problem(answer, 422))


def test_service_when_the_example_is_answered_otherwise_serves_the_version_before(
    store: ModelStore,
) -> None:
    old = store.promoted("coin")
    card = store.read_card("coin")
    card["example"]["value"] = 1 - card["example"]["value"]
    pipeline = (store.root / "coin" / card["version"] / "model.skops").read_bytes()
    new = store.write(unstored(card), {"model.skops": pipeline})
    store.promote("coin", new)

    client = serve(store, "coin").test_client()

    assert old == read_strictly(client.get("/readyz").data)["model"]["version"]
    health = read_strictly(client.get("/health").data)
    assert (
        "degraded" == health["status"] and f"version {new} of coin is refused" in health["reason"]
    )
    refused = read_strictly(client.get("/v0/models/coin").data)["refused"]
    assert new == refused["version"] and "the worked example answers" in refused["reason"]
    shutil.rmtree(store.root / "coin" / old)
    assert_not_served(serve(store, "coin").test_client(), COIN)
