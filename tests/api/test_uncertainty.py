"""How sure an answer is, over HTTP: intervals, sets of classes, and records unlike all others."""

import io
import math
from bisect import bisect_right
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import EXAMPLES


@pytest.fixture(scope="module")
def client(toy_store: ModelStore) -> FlaskClient:
    return serve(toy_store, "rent").test_client()


def ask(client: FlaskClient, name: str, body: Any, query: str = "") -> Any:
    answer = client.post(f"/v0/models/{name}/predict{query}", json=body)
    assert 200 == answer.status_code, answer.text
    return answer.get_json()


@pytest.mark.parametrize(("query", "coverage"), [("", 0.9), ("?coverage=0.5", 0.5)])
def test_number_when_answered_has_the_interval_of_its_card(
    client: FlaskClient, toy_store: ModelStore, query: str, coverage: float
) -> None:
    card = toy_store.read_card("rent")["uncertainty"]
    records = [{**EXAMPLES["rent"], "area": area} for area in (20, 55.5, 90, 140, 199)]

    many = ask(client, "rent", records, query)["predictions"]

    for record, prediction in zip(records, many, strict=True):
        low, high = card["limits"][f"{coverage:g}"][
            bisect_right(card["edges"], prediction["value"])
        ]
        assert prediction["interval"] == {
            "low": prediction["value"] + low,
            "high": prediction["value"] + high,
            "coverage": coverage,
        }
        alone = ask(client, "rent", record, query)["prediction"]
        assert prediction["interval"] == alone["interval"]
        assert prediction.get("unfamiliar") == alone.get("unfamiliar")


def test_number_when_answered_in_a_table_has_its_interval_in_columns(client: FlaskClient) -> None:
    table = "area,rooms,city\n55.5,2,Recife\n"
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    expected = ask(client, "rent", {"area": 55.5, "rooms": 2, "city": "Recife"}, "?coverage=0.7")

    for kind, body in (("text/csv", table), ("application/json", "")):
        body = body or '[{"area": 55.5, "rooms": 2, "city": "Recife"}]'
        headers = {"Content-Type": kind, "Accept": "text/csv"}
        answer = client.post("/v0/predict?coverage=0.7", data=body, headers=headers)
        row = pd.read_csv(io.StringIO(answer.text)).iloc[0]
        assert expected["prediction"]["interval"] == {
            "low": row["interval_low"], "high": row["interval_high"], "coverage": 0.7,
        }  # fmt: skip


def test_class_when_a_coverage_is_named_has_the_set_of_its_probabilities(
    client: FlaskClient, toy_store: ModelStore
) -> None:
    card = toy_store.read_card("parcel")
    least = dict(zip(card["classes"], card["uncertainty"]["limits"]["0.9"], strict=True))
    records = [{**EXAMPLES["parcel"], "weight": weight} for weight in (1, 20, 40, 60, 80, 99)]

    many = ask(client, "parcel", records, "?coverage=0.9")["predictions"]

    sizes = set()
    for record, prediction in zip(records, many, strict=True):
        shares = prediction["probabilities"]
        reached = [label for label in card["classes"] if shares[label] >= least[label] - 1e-6]
        expected = {"classes": reached or [prediction["value"]], "coverage": 0.9}
        assert expected == prediction["set"]
        assert prediction == ask(client, "parcel", record, "?coverage=0.9")["prediction"]
        sizes.add(len(reached))
    assert 1 < len(sizes)


def test_record_when_unlike_all_training_rows_says_so(
    client: FlaskClient, toy_store: ModelStore
) -> None:
    entry = toy_store.read_card("rent")["uncertainty"]["familiarity"]

    near, far = (
        ask(client, "rent", {"area": area, "rooms": rooms, "city": "Natal"}, "?coverage=0.9")
        for area, rooms in ((55.5, 2), (1e6, 100))
    )

    assert not near["prediction"]["unfamiliar"]["is_unfamiliar"]
    assert 2 / 3 == pytest.approx(far["prediction"]["unfamiliar"].pop("distance"))
    assert {
        "is_unfamiliar": True, "threshold": entry["threshold"],
        "false_alarms": entry["false_alarms"],
    } == far["prediction"]["unfamiliar"]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "query", "form", "sentence"),
    [
        ("rent", "coverage=0.955", "", "send hundredths from 0.5 to 0.9"),
        ("rent", "coverage=0.99", "", "21 held-out rows are too few: send 0.5 to 0.9"),
        ("rent", "coverage=90", "", "send one number between 0 and 1, as 0.9"),
        ("parcel", "coverage=0.9", "text/csv", "sets of classes, which are for JSON alone"),
    ],
)
def test_coverage_when_it_cannot_be_given_is_refused(
    client: FlaskClient, name: str, query: str, form: str, sentence: str
) -> None:
    answer = client.post(
        f"/v0/models/{name}/predict?{query}", json=EXAMPLES[name], headers={"Accept": form or "*/*"}
    )

    assert 400 == answer.status_code
    assert sentence in answer.get_json()["detail"]
    assert math.isfinite(ask(client, "rent", EXAMPLES["rent"])["prediction"]["value"])
