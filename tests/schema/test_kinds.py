"""Dates and coded categories mean the same in every form of record, and to the pipeline."""

# ruff: noqa: DTZ001  wall clocks have no zone

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flask.testing import FlaskClient
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from engine.preprocessing.date_parts import DateParts
from engine.schema import Category, Date, DateTime, ModelDefinition, Number
from engine.training.train import train
from persistence.model_persistence import ModelStore
from tests.audit.ways import MODEL, WAYS, ask
from tests.support import table_bodies
from tests.support.application import ask_loop, poster, serve
from tests.support.models import in_silence

ZONE = ZoneInfo("America/Santiago")

#: A record, and what its date, its hour in Santiago and its risk are.
MEANINGS: list[tuple[dict[str, Any], tuple[datetime, int, str]]] = [
    ({"sold": "2024-02-29", "paid": "2024-05-17T10:30:00", "risk": 1},
     (datetime(2024, 2, 29), 10, "low")),
    ({"sold": "17/05/2024", "paid": "2024-05-17T10:30:00Z", "risk": 2},
     (datetime(2024, 5, 17), 6, "high")),
    ({"sold": "1969-12-31", "paid": "2024-01-17 10:30:00.5+05:30", "risk": 1},
     (datetime(1969, 12, 31), 2, "low")),
]  # fmt: skip


def load_data(path: Path) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    sold = pd.Timestamp("2000-01-01") + pd.to_timedelta(draw.integers(0, 9000, 200), "D")
    hour = draw.integers(0, 24, 200)
    risk = draw.integers(1, 3, 200)
    paid = [f"2024-05-{17 - day % 9:02}T{at:02}:30" for day, at in enumerate(hour)]
    price = sold.year + 10 * sold.month + 100 * hour + 1000 * risk
    return pd.DataFrame({"sold": sold, "paid": paid, "risk": risk, "price": price})


def build_pipeline() -> Any:
    parts = ColumnTransformer([
        ("sold", DateParts(parts=("year", "month_cycle", "age"), since="2000-01-01"), ["sold"]),
        ("paid", DateParts(parts=("weekday", "hour")), ["paid"]),
        ("risk", OrdinalEncoder(categories=[["low", "high"]]), ["risk"]),
    ])  # fmt: skip
    return make_pipeline(parts, LinearRegression())


DEFINITION = ModelDefinition(
    title="Price by day",
    fields=(
        Date(name="sold", example="2024-02-29", formats=("%d/%m/%Y",), maximum="2030-12-31"),
        DateTime(name="paid", example="2024-05-17T10:30:00", zone="America/Santiago"),
        Category(name="risk", example=1, categories={1: "low", 2: "high"}),
    ),
    target=Number(name="price", example=100),
    sample=Path("Pipfile"),
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="r2",
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    store = ModelStore(tmp_path_factory.mktemp("kinds"))
    trained = train(MODEL, DEFINITION, DEFINITION.sample, step=in_silence)
    store.promote(MODEL, store.write(trained.card, trained.files))
    return serve(store, MODEL).test_client()


@pytest.fixture(scope="module")
def expected() -> list[float]:
    """Answer the records by what they mean, with a pipeline of the test's own."""
    table = load_data(Path())
    start = pd.Timestamp("1970-01-01")
    X = pd.DataFrame({
        "sold": (table["sold"] - start) / pd.Timedelta(seconds=1),
        "paid": (pd.to_datetime(table["paid"]) - start) / pd.Timedelta(seconds=1),
        "risk": table["risk"].map({1: "low", 2: "high"}),
    })  # fmt: skip
    rows = [meaning for _, meaning in MEANINGS]
    days = [datetime(2024, 5, 17), datetime(2024, 5, 17), datetime(2024, 1, 17)]
    asked = pd.DataFrame({
        "sold": [(sold - start) / timedelta(seconds=1) for sold, _, _ in rows],
        "paid": [(day + timedelta(hours=hour) - start) / timedelta(seconds=1)
                 for day, (_, hour, _) in zip(days, rows, strict=True)],
        "risk": [risk for _, _, risk in rows],
    })  # fmt: skip
    from engine.training.split import split_rows  # the rows that a build learns from

    y = table["price"].astype(float)
    learnt, *_ = split_rows(X, y, seed=0, is_classification=False)
    return list(build_pipeline().fit(X.iloc[learnt], y.iloc[learnt]).predict(asked))


@pytest.mark.parametrize("way", WAYS)
def test_kinds_when_sent_in_every_way_mean_the_same(
    way: str, client: FlaskClient, expected: list[float]
) -> None:
    answers = ask(way, poster(client), [record for record, _ in MEANINGS], None)

    assert pytest.approx(expected) == [float(answer["value"]) for answer in answers]


@pytest.mark.parametrize("kind", [table_bodies.ARROW, table_bodies.PARQUET])
@pytest.mark.parametrize("paid", [
    pa.array([datetime(2024, 5, 17, 6, 30, 0, 9)] * 2, pa.timestamp("us")),
    pa.array([datetime(2024, 5, 17, 10, 30)] * 2, pa.timestamp("ns", "UTC")),
    pa.array([datetime(2024, 5, 17, 10, 30)] * 2, pa.timestamp("ms", "Asia/Kolkata")),
])  # fmt: skip
def test_dates_when_in_typed_columns_mean_the_same(
    kind: str, paid: pa.Array, client: FlaskClient, expected: list[float]
) -> None:
    sold = pa.array([datetime(2024, 5, 17)] * 2, pa.date32())
    table = pa.table({"sold": sold, "paid": paid, "risk": [2.0, 2.0]})

    write = table_bodies.write_arrow if kind == table_bodies.ARROW else table_bodies.write_parquet
    answer = client.post("/v0/predict", data=write(table), content_type=kind)

    values = [answer["value"] for answer in answer.get_json()["predictions"]]
    assert pytest.approx([expected[1]] * 2) == values


@pytest.mark.parametrize(("name", "value", "detail"), [
    ("sold", 20240229, "is 20240229: send a date as 2024-05-17 or 17/05/2024"),
    ("sold", "2023-02-29", "which no calendar or clock shows"),
    ("sold", "2031-01-01", "out of range"),
    ("paid", "2024-09-08T00:30:00", "a time that the clocks of America/Santiago skip"),
    ("paid", True, "is true"),
    ("risk", "medium", "unknown"),
    ("risk", 3, "is 3, unknown: send one of 'low', 'high'"),
])  # fmt: skip
def test_kinds_when_refused_say_so_in_json_and_csv(
    name: str, value: Any, detail: str, client: FlaskClient
) -> None:
    record = {**MEANINGS[0][0], name: value}
    body = f"{','.join(record)}\n{','.join(map(str, record.values()))}\n"

    in_json = client.post("/v0/predict", json=record).get_json()["errors"]
    in_csv = client.post("/v0/predict", data=body, content_type="text/csv").get_json()["errors"]

    assert [f"/{name}", f"/0/{name}"] == [error["pointer"] for error in in_json + in_csv]
    assert detail in in_json[0]["detail"]
    assert in_json[0]["detail"].partition(":")[2] == in_csv[0]["detail"].partition(":")[2]


def test_kinds_when_described_have_formats_and_codes(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    inputs = client.get(f"/v2/models/{MODEL}").get_json()["inputs"]

    properties = document["components"]["schemas"][f"{MODEL}_record"]["properties"]
    assert {
        "examples": ["2024-02-29"],
        "description": "ISO 8601 or %d/%m/%Y, to 2030-12-31",
        "type": "string",
    } == properties["sold"]
    assert "date-time" == properties["paid"]["format"]
    assert "1 is low, 2 is high" == properties["risk"]["description"]
    assert ["BYTES"] * 3 == [tensor["datatype"] for tensor in inputs]


def test_kinds_when_plain_are_answered_by_the_exact_runtime_on_the_loop(
    client: FlaskClient, expected: list[float]
) -> None:
    bodies = [json.dumps(record).encode() for record, _ in MEANINGS]

    answers = ask_loop(client.application, [("/v0/predict", {}, body) for body in bodies])

    values = [json.loads(answer[1])["prediction"]["value"] for answer in answers if answer]
    assert pytest.approx(expected) == values
    assert "scikit-learn_exact" == client.get(f"/v2/models/{MODEL}").get_json()["platform"]
