"""A record that a native pipeline rejects is answered with 422, whichever way it comes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from engine.runtime.native import NativeRuntime
from persistence.model_persistence import ModelStore
from tests.support.answers import found, read_problem
from tests.support.application import serve
from tests.support.toys import coin

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in log")

GOOD, BAD = {"size": 1, "edge": 2}, {"size": -1, "edge": 2}


@pytest.fixture
def client(toy_store: ModelStore) -> FlaskClient:
    """A service whose pipeline takes positive numbers only."""
    table = coin.load_data(Path())
    numbers = table[["size", "edge"]].abs() + 0.1
    pipeline = make_pipeline(FunctionTransformer(np.log), LogisticRegression())
    app = serve(toy_store, "coin")
    version = app.extensions["resources"].models.get()
    version._runtime = NativeRuntime(pipeline.fit(numbers, table["side"]), version.schema.fields)
    return app.test_client()


BODIES: dict[str, tuple[str, Any, str]] = {
    "": ("application/json", json.dumps(BAD), ""),
    "list": ("application/json", json.dumps([GOOD, BAD, GOOD]), "/1"),
    "csv": ("text/csv", "size,edge\n1,2\n-1,2\n1,2\n", "/1"),
    "lines": ("application/x-ndjson", f"{json.dumps(GOOD)}\n{json.dumps(BAD)}\n", "/1"),
}


@pytest.mark.parametrize(("content_type", "body", "pointer"), BODIES.values(), ids=BODIES)
def test_record_when_the_pipeline_rejects_it_is_named(
    client: FlaskClient, content_type: str, body: str, pointer: str
) -> None:
    answer = client.post("/v0/predict", data=body, headers={"Content-Type": content_type})

    assert {(pointer, "no_finite_answer")} == found(read_problem(answer, 422))
    assert 200 == client.post("/v0/predict", json=GOOD).status_code


def test_columns_when_the_pipeline_rejects_a_row_are_refused(client: FlaskClient) -> None:
    answer = client.post("/v0/predict", json={"data": {"size": [1, -1], "edge": [2, 2]}})

    (problem,) = read_problem(answer, 422)["errors"]
    assert "no_finite_answer" == problem["code"]
    assert problem["detail"].startswith("record 2 of 2 has no finite answer")
