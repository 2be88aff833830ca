"""A request names a threshold of its own where the model file lets it, and nowhere else."""

import dataclasses
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
from flask.testing import FlaskClient

from engine.training.train import train
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import unstored
from tests.support.toys import loan

RECORDS = [
    {"tenure": tenure, "age": 40, "job": job, "price": 900}
    for tenure in range(0, 30, 2)
    for job in ("fixed", "freelance")
]


def test_threshold_of_a_request_decides_where_the_card_allows_it(
    credit_store: ModelStore, tmp_path: Path
) -> None:
    card = credit_store.read_card("credit")
    folder = credit_store.root / "credit" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    store = ModelStore(tmp_path)
    store.promote("credit", store.write({**unstored(card), "request_threshold": True}, files))
    client = serve(store, "credit").test_client()
    record = card["example"]["record"]
    share = client.post("/v0/predict", json=record).get_json()["prediction"]["probabilities"][
        "true"
    ]

    def value_at(threshold: float) -> bool:
        answer = client.post(f"/v0/predict?threshold={threshold}", json=record)
        return bool(answer.get_json()["prediction"]["value"])

    assert value_at(share - 0.01) and not value_at(share + 0.01)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Ask a model whose requests may have a threshold, and whose own is by cost."""
    root = tmp_path_factory.mktemp("loan")
    loan.write_table(root / "table.csv")
    definition = dataclasses.replace(
        loan.definition, request_threshold=True, scores=("f1",),
        costs={"false_positive": 5, "false_negative": 1},
    )  # fmt: skip
    trained = train(
        "loan", definition, root / "table.csv", with_importances=False,
        step=lambda title: nullcontext(lambda text: None),
    )  # fmt: skip
    store = ModelStore(root / "store")
    store.promote("loan", store.write(trained.card, trained.files))
    return serve(store, "loan").test_client()


def ask(client: FlaskClient, query: str, path: str = "/v0/predict") -> list[tuple[bool, float]]:
    answer = client.post(f"{path}{query}", json=RECORDS)
    assert 200 == answer.status_code, answer.text
    entries = answer.get_json()["predictions"]
    return [(entry["value"], entry["probabilities"]["true"]) for entry in entries]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v0/predict", "/v0/models/loan/predict", "/inference/loan"])
def test_threshold_of_a_request_decides_its_records_alone(client: FlaskClient, path: str) -> None:
    own = client.get("/v0/models/loan/model_info").get_json()["threshold"]

    low, plain = ask(client, "?threshold=0.05", path), ask(client, "", path)

    assert own > 0.5  # a false alarm costs five times as much
    assert [share >= 0.05 for _, share in low] == [value for value, _ in low]
    assert [share >= own for _, share in plain] == [value for value, _ in plain]
    assert sum(value for value, _ in low) > sum(value for value, _ in plain)
    one = client.post(f"{path}?threshold=0.05", json=RECORDS[0]).get_json()["prediction"]
    assert low[0] == (one["value"], one["probabilities"]["true"])


@pytest.mark.slow
def test_threshold_of_a_request_decides_the_rows_of_a_table(client: FlaskClient) -> None:
    table = pd.DataFrame(RECORDS).to_csv(index=False)
    given = {"Content-Type": "text/csv", "Accept": "text/csv"}

    answer = client.post("/v0/predict?threshold=0.05", data=table, headers=given)

    lines = [line.split(",") for line in answer.text.splitlines()]
    value, share = lines[0].index("value"), lines[0].index("probability_true")
    rows = lines[1:]
    assert [float(row[share]) >= 0.05 for row in rows] == [row[value] == "true" for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?threshold=1", "threshold is '1': send one number between 0 and 1"),
        ("?threshold=nan", "threshold is 'nan'"),
        ("?threshold=0.5_1", "threshold is '0.5_1'"),
        ("?threshold=%D9%A0.%D9%A5", "threshold is "),
        ("?threshold=%200.5", "threshold is ' 0.5'"),
        ("?threshold=", "threshold is ''"),
        ("?threshold=0.2&threshold=0.3", "send one number"),
        ("?threshold=0.2&other=1", "the parameter 'other'"),
    ],
)
def test_threshold_of_a_request_when_it_is_no_threshold_is_refused(
    client: FlaskClient, query: str, sentence: str
) -> None:
    answer = client.post(f"/v0/predict{query}", json=RECORDS[0])

    assert 400 == answer.status_code
    assert sentence in answer.get_json()["detail"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/v2/models/loan/infer", "/invocations", "/v1/models/loan:predict"]
)
def test_threshold_of_a_request_is_refused_by_other_protocols(
    client: FlaskClient, path: str
) -> None:
    assert 400 == client.post(f"{path}?threshold=0.3", json={}).status_code


@pytest.mark.slow
def test_threshold_among_the_parameters_of_tensors_is_refused(client: FlaskClient) -> None:
    inputs = [{"name": "age", "shape": [1], "datatype": "FP64", "data": [40]}]
    body = {"inputs": inputs, "parameters": {"threshold": 0.3}}

    answer = client.post("/v2/models/loan/infer", json=body)

    assert 400 == answer.status_code
    assert "the parameter threshold, which is not supported here" in answer.text


@pytest.mark.slow
def test_card_of_a_model_with_costs_has_its_curve_and_scores(client: FlaskClient) -> None:
    card = client.get("/v0/models/loan/model_info").get_json()
    paths = client.get("/openapi.json").get_json()["paths"]

    assert {"f1", "cost", "roc_auc"} <= card["scores"].keys()
    assert card["scores"]["cost"]["value"] <= card["scores"]["cost"]["baseline"]
    parameters = paths["/v0/predict"]["post"]["parameters"]
    names = [each["name"] for each in parameters if each["in"] == "query"]
    assert ["threshold", "explain", "coverage"] == names
    assert card["threshold"] > 0.5
