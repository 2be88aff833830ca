"""A kind of field that nothing but this file knows goes every way that a value goes."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from engine.cards.facts import field_rows
from engine.records.arrow.columns import read_columns
from engine.runtime.loading import load_version
from engine.runtime.version import StoredVersion
from engine.schema import Flag, ModelDefinition, Number
from engine.schema.fields import Field, Finding
from engine.schema.json_decoder import Decoder
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.training.train import train
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import in_silence

EPOCH = date(1970, 1, 1)
GOOD = {"sold": "2024-02-29", "weight": 2.5, "fresh": True}


@dataclass(frozen=True, kw_only=True)
class Day(Field):
    """A date: ISO 8601 text in JSON, the days since 1970 in the model."""

    first: str = "2000-01-01"

    kind: ClassVar[str] = "day"

    def expected(self) -> str:
        return f"a date from {self.first} on, such as {self.example}"

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        try:
            days = (date.fromisoformat(value) - EPOCH).days
        except (TypeError, ValueError):
            return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")
        if value < self.first:
            detail = f"is {value}, out of range: send {self.expected()}"
            return None, Finding(Code.OUT_OF_RANGE, detail)
        return float(days), None

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}


def load_data(path: Path) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    days = draw.integers(0, 9000, 200)
    weight = draw.uniform(0, 10, 200)
    sold = [(date(2000, 1, 1) + timedelta(int(day))).isoformat() for day in days]
    price = days + 100 * weight
    return pd.DataFrame({"sold": sold, "weight": weight, "fresh": True, "price": price})


DEFINITION = ModelDefinition(
    title="Price by day",
    fields=(
        Day(name="sold", example="2024-02-29", missing="refuse"),
        Number(name="weight", example=2.5),
        Flag(name="fresh", example=True),
    ),
    target=Number(name="price", example=100),
    sample=Path("Pipfile"),
    load_data=load_data,
    build_pipeline=LinearRegression,
    score="r2",
)


@pytest.fixture(scope="module")
def day_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """Train a model of the new kind."""
    store = ModelStore(tmp_path_factory.mktemp("day"))
    trained = train("day", DEFINITION, DEFINITION.sample, step=in_silence)
    store.promote("day", store.write(trained.card, trained.files))
    return store


@pytest.fixture(scope="module")
def client(day_store: ModelStore) -> FlaskClient:
    return serve(day_store, "day").test_client()


@pytest.fixture(scope="module")
def version(day_store: ModelStore) -> StoredVersion:
    return load_version(day_store, "day")


def predict(client: FlaskClient, body: Any, kind: str = "application/json") -> Any:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = client.post("/v0/predict", data=content, content_type=kind)
    assert 200 == answer.status_code, answer.text
    return answer.get_json()


def test_new_kind_when_trained_has_a_golden_draw_and_a_fact(version: StoredVersion) -> None:
    assert "2024-02-29" == version.card["example"]["record"]["sold"]
    assert ["sold", "day", "", "", ""] == field_rows(version.card)[0]
    assert "day" == version.card["schema"]["fields"][0]["kind"]


def test_new_kind_when_plain_is_decoded_in_one_pass(version: StoredVersion) -> None:
    decoded = Decoder(version.schema).read(json.dumps(GOOD).encode())

    assert decoded is not None
    assert [[19782.0, 2.5, 1.0]] == decoded.matrix.tolist()
    assert None is Decoder(version.schema).read(json.dumps({**GOOD, "sold": "x"}).encode())


def test_new_kind_when_sent_in_every_form_answers_the_same(client: FlaskClient) -> None:
    line = "2024-02-29,2.5,true"
    tensors = [
        {"name": "sold", "shape": [1], "datatype": "BYTES", "data": ["2024-02-29"]},
        {"name": "weight", "shape": [1], "datatype": "FP64", "data": [2.5]},
        {"name": "fresh", "shape": [1], "datatype": "BOOL", "data": [True]},
    ]

    expected = predict(client, GOOD)["prediction"]

    assert [expected, expected] == predict(client, [GOOD, GOOD])["predictions"]
    assert [expected] == predict(client, f"sold,weight,fresh\n{line}\n", "text/csv")["predictions"]
    v2 = client.post("/v2/models/day/infer", json={"inputs": tensors}).get_json()
    assert [expected["value"]] == v2["outputs"][0]["data"]
    rows = client.post("/v1/models/day:predict", json={"instances": [[*GOOD.values()]]})
    assert expected["value"] == rows.get_json()["predictions"][0]


def test_new_kind_when_refused_says_what_to_send(client: FlaskClient) -> None:
    body = "sold,weight,fresh\n1999-12-31,1,true\n"
    answer = client.post("/v0/predict", data=body, content_type="text/csv")

    assert [
        {
            "pointer": "/0/sold",
            "detail": "is 1999-12-31, out of range: "
            "send a date from 2000-01-01 on, such as 2024-02-29",
            "code": "out_of_range",
        }
    ] == answer.get_json()["errors"]


def test_new_kind_when_in_an_arrow_column_is_read_whole(version: StoredVersion) -> None:
    batch = pa.RecordBatch.from_pydict({name: [value] for name, value in GOOD.items()})

    matrix = read_columns(batch, version.schema, Decoder(version.schema))

    assert [[19782.0, 2.5, 1.0]] == matrix.tolist()


def test_new_kind_when_described_has_its_schema_and_its_datatype(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    described = client.get("/v2/models/day").get_json()["inputs"][0]

    sold = document["components"]["schemas"]["day_record"]["properties"]["sold"]
    assert {"examples": ["2024-02-29"], "type": "string", "format": "date"} == sold
    assert {"name": "sold", "datatype": "BYTES", "shape": [-1, 1]} == described
