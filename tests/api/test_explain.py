"""An answer comes with an explanation where the query asks for it, and with reasons."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.application import ask_loop, serve
from tests.support.models import EXAMPLES, unstored


def test_explain_adds_to_each_answer_what_its_fields_contribute(toy_client: FlaskClient) -> None:
    plain = toy_client.post("/v0/predict", json=EXAMPLES["parcel"]).get_json()
    many = [{**EXAMPLES["parcel"], "weight": weight} for weight in (1, 99)]

    alone = toy_client.post("/v0/predict?explain=true", json=EXAMPLES["parcel"]).get_json()
    both = toy_client.post("/v0/predict?explain=true", json=many).get_json()["predictions"]

    explanation = alone["prediction"].pop("explanation")
    alone["prediction"].pop("unfamiliar", None)  # which an explanation brings along
    assert plain["prediction"] == alone["prediction"]
    assert plain["prediction"]["value"] == explanation["class"]
    total = explanation["typical"] + sum(e["contribution"] for e in explanation["contributions"])
    assert pytest.approx(plain["prediction"]["probability"], abs=1e-6) == total
    for entry in both:
        own = entry["explanation"]
        total = own["typical"] + sum(each["contribution"] for each in own["contributions"])
        assert entry["value"] == own["class"]
        assert pytest.approx(entry["probability"], abs=1e-6) == total


@pytest.mark.parametrize(
    ("path", "body", "headers", "sentence"),
    [
        ("/v0/predict?explain=yes", EXAMPLES["parcel"], {}, "explain is 'yes': send true or"),
        ("/v0/predict?explain=true", [EXAMPLES["parcel"]] * 21, {}, "send at most 20"),
        ("/v0/predict?explain=true", [EXAMPLES["parcel"]], {"Accept": "text/csv"}, "accept JSON"),
        ("/v0/predict?explain=true", "weight\n1\n", {"Content-Type": "text/csv"}, "send and"),
        ("/v2/models/parcel/infer?explain=true", {}, {}, "takes none"),
    ],
)
def test_explain_when_it_cannot_be_is_refused(
    toy_client: FlaskClient, path: str, body: Any, headers: dict[str, str], sentence: str
) -> None:
    data = body if isinstance(body, str) else json.dumps(body)

    answer = toy_client.post(
        path, data=data, headers={"Content-Type": "application/json", **headers}
    )  # fmt: skip

    assert 400 == answer.status_code
    assert sentence in answer.text


def test_explain_of_a_version_without_a_reference_is_refused(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    client = serve(without_reference(toy_store, tmp_path), "parcel").test_client()

    answer = client.post("/v0/predict?explain=true", json=EXAMPLES["parcel"])

    assert 400 == answer.status_code
    assert "has no typical record to compare with" in answer.get_json()["detail"]


def without_reference(store: ModelStore, folder: Path, **card: Any) -> ModelStore:
    """Store parcel as versions were before they had a reference."""
    return copied(store, folder, "parcel", ("reference.json",), **card)


def copied(
    store: ModelStore, folder: Path, name: str, left_out: tuple[str, ...] = (), **card: Any
) -> ModelStore:
    """Store a version again, with other entries of its card."""
    own = store.read_card(name)
    files = {
        file: (store.root / name / own["version"] / file).read_bytes()
        for file in own["files"]
        if file not in left_out
    }
    other = ModelStore(folder)
    other.promote(name, other.write({**unstored(own), **card}, files))
    return other


def test_reasons_come_with_negative_answers_alone(credit_store: ModelStore, tmp_path: Path) -> None:
    app = serve(copied(credit_store, tmp_path, "credit", reasons=2), "credit")
    client = app.test_client()
    good = credit_store.read_card("credit")["example"]["record"]
    bad = {**good, "income": 20, "records": True, "job": "partime"}

    entries = client.post("/v0/predict", json=[good, bad]).get_json()["predictions"]
    alone = client.post("/v0/predict?explain=true", json=bad).get_json()["prediction"]

    assert [True, False] == [entry["value"] for entry in entries]
    assert "reasons" not in entries[0] and "explanation" not in entries[1]
    against = [e for e in alone["explanation"]["contributions"] if e["contribution"] < 0]
    assert against[:2] == entries[1]["reasons"] == alone["reasons"]
    # The event loop writes no reasons, so it leaves such a model to the threads.
    assert [None] == ask_loop(app, [("/v0/predict", {}, json.dumps(bad).encode())])
