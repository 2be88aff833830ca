"""The credit model over HTTP: the original's own requests, and HTTP against offline."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import models
from engine.runtime.answers import Prediction
from engine.runtime.loading import as_card, load_version, open_pipeline
from engine.runtime.version import StoredVersion
from engine.training.split import split_rows
from engine.training.table import read_table
from persistence.model_persistence import ModelStore
from tests.support.answers import found, read_problem, read_strictly
from tests.support.application import serve
from tests.support.inputs import many
from tests.support.models import build_credit, train_once
from tests.support.project import ROOT
from tests.support.runtimes import BEST

#: The original's request, word for word; its answer is in `approved`, which it ignored.
ORIGINAL = {
    "expenses": 73, "income": 129, "assets": 0, "debt": 0, "amount": 800, "price": 846,
    "seniority": 9, "home": "rent", "time": 60, "age": 30, "marital": "married",
    "records": False, "job": "freelance", "approved": True,
}  # fmt: skip

#: The original's table of Portuguese words.
PORTUGUESE = {
    "job": {"fixo": "fixed", "freelancer": "freelance", "outros": "others", "parcial": "partime"},
    "marital": {"divorciado": "divorced", "casado": "married", "separado": "separated",
                "solteiro": "single", "viuvo": "widow"},
    "home": {"ignorar": "ignore", "outro": "other", "propria": "owner", "pais": "parents",
             "privado": "priv", "aluguel": "rent"},
}  # fmt: skip

OPTIONAL = ["home", "marital", "job", "income", "assets", "debt"]


@pytest.fixture(scope="module")
def credit_data() -> Path:
    """The table of real applicants."""
    named = os.environ.get("CREDIT_DATA")
    path = Path(named) if named else ROOT / "../shared/data/credit/credit_data.csv"
    if not path.is_file():
        pytest.skip(f"there is no {path}: name the table of real applicants in CREDIT_DATA")
    return path


@pytest.fixture(scope="module")
def real_store(
    sample: list[Path], credit_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> ModelStore:
    """A store with the credit model, trained on the real applicants."""
    return train_once(
        tmp_path_factory, "real-credit", lambda store: build_credit(store, credit_data),
        *sample, credit_data,
    )  # fmt: skip


def predict(client: FlaskClient, body: Any) -> Any:
    answer = client.post("/v0/predict", json=body)
    assert 200 == answer.status_code, answer.text
    return read_strictly(answer.data)


def test_original_request_when_sent_gets_its_answer_in_its_shape(client: FlaskClient) -> None:
    answer = predict(client, ORIGINAL)

    assert isinstance(answer["prediction"]["value"], bool)
    assert 0.5 <= answer["prediction"]["probability"] <= 1
    assert answer["prediction_time"].endswith(" GMT")
    shares = answer["prediction"]["probabilities"]
    assert shares[str(answer["prediction"]["value"]).lower()] == answer["prediction"]["probability"]
    assert {"true", "false"} == set(shares)
    assert "warnings" not in answer


def test_original_request_when_its_answer_is_left_out_is_answered_alike(
    client: FlaskClient,
) -> None:
    without = {name: ORIGINAL[name] for name in ORIGINAL if name != "approved"}

    assert predict(client, ORIGINAL)["prediction"] == predict(client, without)["prediction"]


def test_original_model_info_when_asked_has_its_keys(client: FlaskClient) -> None:
    info = read_strictly(client.get("/v0/model_info").data)

    assert "RandomForestClassifier" == info["model_name"]
    assert 200 == info["num_trees"]
    assert info["num_features"] == len(info["feature_importances"])
    assert 1 == pytest.approx(sum(info["feature_importances"].values()))
    assert info["model_created_at"].endswith(" GMT")


@pytest.mark.parametrize(
    ("field", "word", "english"),
    [(field, word, table[word]) for field, table in PORTUGUESE.items() for word in table]
    + [("job", "partial", "partime"), ("records", "yes", True), ("records", "no", False)],
)
def test_word_when_it_is_a_synonym_is_answered_as_the_english(
    client: FlaskClient, field: str, word: str, english: Any
) -> None:
    expected = predict(client, {**ORIGINAL, field: english})

    answer = predict(client, {**ORIGINAL, field: word})

    assert expected["prediction"] == answer["prediction"]


@pytest.mark.parametrize("field", PORTUGUESE)
def test_words_when_they_differ_are_told_apart(client: FlaskClient, field: str) -> None:
    answers = [
        predict(client, {**ORIGINAL, field: word})["prediction"]["probability"]
        for word in sorted(set(PORTUGUESE[field].values()))
    ]

    assert len(set(answers)) > 1


@pytest.mark.parametrize("field", PORTUGUESE)
@pytest.mark.parametrize("word", ["Fixed", " rent", "casado ", "unknown", "propría", ""])
def test_word_when_it_is_unknown_is_refused_and_not_replaced(
    client: FlaskClient, field: str, word: str
) -> None:
    answer = client.post("/v0/predict", json={**ORIGINAL, field: word})

    assert {(f"/{field}", "unknown_category")} == found(read_problem(answer, 422))


@pytest.mark.parametrize("gaps", [[name] for name in OPTIONAL] + [OPTIONAL])
def test_gap_when_it_is_optional_is_answered(client: FlaskClient, gaps: list[str]) -> None:
    absent = {name: ORIGINAL[name] for name in ORIGINAL if name not in gaps}

    answer = predict(client, absent | dict.fromkeys(gaps))

    assert predict(client, absent)["prediction"] == answer["prediction"]


@pytest.mark.parametrize("field", sorted(set(ORIGINAL) - set(OPTIONAL) - {"approved"}))
def test_gap_when_it_is_not_optional_is_refused(client: FlaskClient, field: str) -> None:
    answer = client.post("/v0/predict", json={**ORIGINAL, field: None})

    assert {(f"/{field}", "missing")} == found(read_problem(answer, 422))


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Write the rows of a table as a client would, gaps as null."""
    fields = models.find("credit").fields
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            record: dict[str, Any] = {}
            for one in fields:
                cell = line[one.column]
                is_number = cell and one.kind == "number"
                record[one.name] = json.loads(cell) if is_number else cell or None
            yield record


def answer_offline(version: StoredVersion, path: Path) -> list[Prediction]:
    """Answer a whole table without the service, as the training reads it."""
    definition = models.find("credit")
    X, _, _ = read_table(definition.load_data(path), definition.schema)
    return version.predict({str(name): X[name].tolist() for name in X.columns})


def assert_same(client: FlaskClient, records: list[dict[str, Any]], offline: Any) -> None:
    batch = predict(client, records)["predictions"]
    alone = [predict(client, record)["prediction"] for record in records]
    expected = [
        {
            "value": one.value,
            "probability": one.probability,
            "probabilities": dict(zip(["false", "true"], one.probabilities, strict=True)),
        }
        for one in offline
    ]
    assert expected == alone
    assert expected == batch


def test_sample_rows_when_asked_over_http_answer_as_offline(
    client: FlaskClient, credit_store: ModelStore
) -> None:
    path = ROOT / "data/credit_sample.csv"
    offline = answer_offline(load_version(credit_store, "credit"), path)

    records = list(read_records(path))
    rows = many(len(offline))

    assert_same(client, records[:rows], offline[:rows])


@pytest.mark.slow
@pytest.mark.real_data
def test_thousand_real_rows_when_asked_over_http_answer_as_offline(
    real_store: ModelStore, credit_data: Path
) -> None:
    offline = answer_offline(load_version(real_store, "credit"), credit_data)
    records = list(read_records(credit_data))
    assert 4454 == len(records) == len(offline)
    assert any(None in record.values() for record in records[:1000])

    assert_same(serve(real_store, "credit").test_client(), records[:1000], offline[:1000])


@pytest.mark.slow
@pytest.mark.real_data
def test_every_held_out_row_when_asked_over_http_answers_as_offline_and_as_the_pipeline(
    real_store: ModelStore, credit_data: Path
) -> None:
    definition = models.find("credit")
    X, y, _ = read_table(definition.load_data(credit_data), definition.schema)
    _, held_out, _ = split_rows(X, y, seed=definition.seed, is_classification=True)
    offline = answer_offline(load_version(real_store, "credit"), credit_data)
    records = list(read_records(credit_data))
    card = real_store.read_card("credit")
    pipeline = open_pipeline(real_store.files(card), as_card(card)).predict_proba(X.iloc[held_out])
    assert 952 == len(held_out)

    kept = [offline[row] for row in held_out]
    assert_same(serve(real_store, "credit").test_client(), [records[row] for row in held_out], kept)
    for one, (_, positive) in zip(kept, pipeline.tolist(), strict=True):
        assert (positive >= 0.5 - 1e-6) == one.value
        assert one.probabilities
        assert positive == pytest.approx(one.probabilities[1], abs=1e-5)


@pytest.mark.slow
@pytest.mark.real_data
def test_real_model_when_trained_is_exported_and_beats_the_baseline(
    real_store: ModelStore,
) -> None:
    card = real_store.read_card("credit")

    assert BEST == card["runtime"]
    assert 0 == card["parity"]["mismatches"]
    assert card["scores"]["roc_auc"]["value"] >= 0.80
    assert card["scores"]["roc_auc"]["low"] > card["scores"]["roc_auc"]["baseline"]
    assert 952 == card["data"]["held_out_rows"]


@pytest.mark.usefixtures("sample")
def test_sample_when_made_again_is_the_file_in_the_repository() -> None:
    done = subprocess.run(
        [sys.executable, "data/make_credit_sample.py"], cwd=ROOT, capture_output=True, check=True
    )

    assert (ROOT / "data/credit_sample.csv").read_bytes() == done.stdout
