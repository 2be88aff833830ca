"""What a good request is answered: predictions, the model's description, health."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from engine.records.strict_json import write_json
from engine.runtime.loading import load_version
from engine.runtime.runtimes import Outputs
from engine.runtime.version import decide
from engine.schema.card import Decision
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.models import EXAMPLES, TRAINED_AT


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert 200 == answer.status_code, answer.text
    return read_strictly(answer.data)


def predict(client: FlaskClient, model: str, records: Any) -> Any:
    answer = client.post(f"/v0/models/{model}/predict", json=records)
    assert 200 == answer.status_code, answer.text
    return read_strictly(answer.data)


def is_now(date: str) -> bool:
    return abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()) < 60


def test_prediction_when_of_many_classes_gives_the_probability_of_its_own(
    toy_client: FlaskClient,
) -> None:
    weights = [{**EXAMPLES["parcel"], "weight": weight} for weight in range(0, 101, 5)]

    predictions = predict(toy_client, "parcel", weights)["predictions"]

    assert {"small", "medium", "large"} == {one["value"] for one in predictions}
    for one in predictions:
        shares = one["probabilities"]
        assert {"small", "medium", "large"} == set(shares)
        assert shares[one["value"]] == one["probability"] == max(shares.values())
        assert math.isclose(1, sum(shares.values()), abs_tol=1e-6)


def test_prediction_when_of_two_classes_follows_the_threshold(toy_client: FlaskClient) -> None:
    sizes = [{**EXAMPLES["coin"], "size": size / 10} for size in range(-60, 61, 2)]

    predictions = predict(toy_client, "coin", sizes)["predictions"]

    for one in predictions:
        assert (1 if one["probabilities"]["1"] >= 0.3 else 0) == one["value"]
        assert one["probabilities"][str(one["value"])] == one["probability"]
    # Some were called 1 that half of the votes would have called 0.
    assert any(one["value"] == 1 and one["probability"] < 0.5 for one in predictions)


def test_prediction_when_of_a_number_has_no_probability(toy_client: FlaskClient) -> None:
    prediction = predict(toy_client, "rent", EXAMPLES["rent"])["prediction"]

    assert {"value", "interval"} == set(prediction)
    # The rows are made at 30 a square metre and 100 more in Recife.
    assert 1765 == pytest.approx(prediction["value"], abs=30)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_answer_when_it_would_not_be_json_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"prediction": {"value": number}})


@pytest.mark.parametrize("model", ["parcel", "rent", "coin"])
def test_prediction_when_answered_names_model_and_time(
    toy_client: FlaskClient, toy_store: ModelStore, model: str
) -> None:
    answer = predict(toy_client, model, EXAMPLES[model])

    assert {"prediction", "prediction_time", "model"} == set(answer)
    assert {"name": model, "version": toy_store.promoted(model)} == answer["model"]
    assert is_now(answer["prediction_time"])
    assert answer["prediction_time"].endswith(" GMT")


@pytest.mark.parametrize("model", ["parcel", "rent", "coin"])
def test_prediction_when_over_http_is_the_one_made_offline(
    toy_client: FlaskClient, toy_store: ModelStore, model: str
) -> None:
    version = load_version(toy_store, model)
    records = [{**EXAMPLES[model], next(iter(EXAMPLES[model])): 1 + n / 7} for n in range(50)]
    offline = version.predict(version.schema.columns(records))

    batch = predict(toy_client, model, records)["predictions"]
    alone = [predict(toy_client, model, record)["prediction"] for record in records]

    for expected, together, single in zip(offline, batch, alone, strict=True):
        assert expected.value == together["value"] == single["value"]
        assert expected.probability == together.get("probability") == single.get("probability")
        shares = [one.get("probabilities", {}).values() for one in (together, single)]
        assert [list(expected.probabilities or ())] * 2 == [list(one) for one in shares]


def test_default_route_when_asked_answers_as_the_named_one(toy_client: FlaskClient) -> None:
    named = predict(toy_client, "parcel", EXAMPLES["parcel"])

    answer = toy_client.post("/v0/predict", json=EXAMPLES["parcel"])

    assert named["prediction"] == read_strictly(answer.data)["prediction"]
    assert get(toy_client, "/v0/models/parcel/model_info") == get(toy_client, "/v0/model_info")


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.3, "yes"),
        (math.nextafter(0.3, 0), "yes"),
        (math.nextafter(0.3, 1), "yes"),
        (float(np.float32(0.3)), "yes"),
        (0.3 - 0.9e-6, "yes"),
        (0.3 - 1.1e-6, "no"),
        (0.3 + 1.1e-6, "yes"),
        (0.0, "no"),
        (1.0, "yes"),
    ],
)
@pytest.mark.parametrize("classes", [["no", "yes"], ["yes", "no"]])
def test_label_when_a_share_is_near_the_threshold_follows_the_rule(
    classes: list[str], share: float, expected: str
) -> None:
    row = [share, 1 - share] if classes[0] == "yes" else [1 - share, share]
    card: Decision = {"classes": classes, "positive": "yes", "threshold": 0.3}

    (prediction,) = decide(Outputs(None, np.array([row])), card)

    assert expected == prediction.value
    assert row[classes.index(expected)] == prediction.probability
    assert tuple(row) == prediction.probabilities


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.2, 0.5, 0.3], "b"),
        ([0.4, 0.4, 0.2], "a"),
        ([0.2, 0.4, 0.4], "b"),
        ([0.4, 0.4 + 0.9e-6, 0.2], "a"),
        ([0.4, 0.4 + 1.1e-6, 0.2], "b"),
    ],
)
def test_label_when_shares_tie_is_the_first(shares: list[float], expected: str) -> None:
    card: Decision = {"classes": ["a", "b", "c"], "positive": None, "threshold": 0.5}

    (prediction,) = decide(Outputs(None, np.array([shares])), card)

    assert expected == prediction.value


@pytest.mark.parametrize(
    ("classes", "shares", "expected"),
    [
        (["a", "b", "c"], [0.4, 0.4 + 1e-12, 0.2], "b"),
        (["a", "b", "c"], [0.4, 0.4, 0.2], "a"),
        (["no", "yes"], [0.5, 0.5], "yes"),
        (["no", "yes"], [0.5 + 1e-12, 0.5 - 1e-12], "no"),
    ],
)
def test_label_when_the_card_has_no_tolerance_follows_the_bits(
    classes: list[str], shares: list[float], expected: str
) -> None:
    positive = "yes" if len(classes) == 2 else None
    card: Decision = {"classes": classes, "positive": positive, "threshold": 0.5, "tie": 0.0}

    (prediction,) = decide(Outputs(None, np.array([shares])), card)

    assert expected == prediction.value


def test_model_info_when_asked_says_what_the_card_says(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    card = toy_store.read_card("parcel")

    info = get(toy_client, "/v0/model_info")

    assert "RandomForestClassifier" == info["model_name"]
    assert 10 == info["num_trees"]
    # Three colours and two shapes one-hot, and five fields as they are.
    assert 10 == info["num_features"] == len(info["feature_importances"])
    assert math.isclose(1, sum(info["feature_importances"].values()))
    assert {"name": "parcel", "version": card["version"]} == info["model"]
    shared = {"title", "description", "task", "classes", "positive", "threshold", "score", "scores",
              "class_scores", "hyperparameters", "data", "runtime", "schema",
              "permutation_importances"}  # fmt: skip
    assert {key: card[key] for key in shared} == {key: info[key] for key in shared}
    expected = {"model_name", "num_trees", "num_features", "feature_importances",
                "model_created_at", "model"}  # fmt: skip
    assert expected == set(info) - shared


def test_model_info_when_asked_gives_the_training_time(toy_client: FlaskClient) -> None:
    info = get(toy_client, "/v0/model_info")

    assert "Thu, 02 Jan 2020 03:04:05 GMT" == info["model_created_at"]
    assert datetime.fromisoformat(TRAINED_AT) == parsedate_to_datetime(info["model_created_at"])


def test_model_info_when_there_are_no_trees_leaves_them_out(toy_client: FlaskClient) -> None:
    info = get(toy_client, "/v0/models/rent/model_info")

    assert "LinearRegression" == info["model_name"]
    assert "num_trees" not in info
    assert {"area", "rooms", "city"} == set(info["feature_importances"])
    assert info["feature_importances"]["area"] > info["feature_importances"]["city"] > 0


def test_health_when_the_model_answers_greets_as_the_original(toy_client: FlaskClient) -> None:
    health = get(toy_client, "/health")

    assert {"msg", "now", "status"} == set(health)
    assert "Hello World! I'm up!" == health["msg"]
    assert "ok" == health["status"]
    assert is_now(health["now"])
    assert health["now"].endswith(" GMT")


@pytest.mark.parametrize("model", ["parcel", "rent", "coin"])
def test_readyz_when_the_model_answers_its_example_names_the_version(
    toy_store: ModelStore, model: str
) -> None:
    client = serve(toy_store, model).test_client()

    ready = get(client, "/readyz")

    expected = {"name": model, "version": toy_store.promoted(model)}
    assert {"status": "ready", "model": expected} == ready
    assert {"status": "alive"} == get(client, "/livez")


def test_home_when_a_browser_asks_leads_to_the_models(toy_client: FlaskClient) -> None:
    firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = toy_client.get("/", headers={"Accept": firefox}, follow_redirects=True)

    assert 200 == answer.status_code
    assert "/models" == answer.request.path
    assert "text/html; charset=utf-8" == answer.content_type


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_home_when_a_program_asks_says_that_it_is_alive(
    toy_client: FlaskClient, accept: str | None
) -> None:
    answer = toy_client.get("/", headers={"Accept": accept} if accept else {})

    assert {"status": "alive"} == answer.get_json()
    assert "Accept" == answer.headers["Vary"]
