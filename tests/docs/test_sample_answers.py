"""What the documentation shows of the sample model is what it answers."""

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import models
from engine.training.table import InvalidTable, read_table
from persistence.model_persistence import ModelStore
from tests.support.logged import drained, logging
from tests.support.pages import assert_answer_like, blocks, examples, request_of
from tests.support.project import ROOT

DOCS = ROOT / "docs"


@pytest.fixture
def client_with_log(credit_store: ModelStore, tmp_path: Path) -> FlaskClient:
    """Ask the credit model, whose example has been answered and logged twice."""
    client = logging(credit_store, tmp_path, "credit").test_client()
    for _ in range(2):
        client.post("/v0/predict", json=models.find("credit").schema.example())
    drained(tmp_path)
    return client


@pytest.mark.parametrize(
    ("curl", "shown"), examples(ROOT / "README.md", DOCS / "reference/http.md")
)
def test_shown_request_gets_the_shown_answer(
    curl: list[str], shown: Any, client: FlaskClient, request: pytest.FixtureRequest
) -> None:
    path, headers, body = request_of(curl)
    if re.search("/predictions|/feedback", path):
        client = request.getfixturevalue("client_with_log")

    answer = client.open(path, method="GET" if body is None else "POST", headers=headers, data=body)

    assert_answer_like(shown, answer)


@pytest.mark.usefixtures("sample")
def test_messages_of_an_invalid_table_are_as_shown() -> None:
    definition = models.find("credit")
    rows = definition.load_data(ROOT / "data/credit_sample.csv").astype(object)
    rows.loc[[3, 8], "Home"] = "rentt"
    rows.loc[16, "Age"] = -1
    rows.loc[29, "Records"] = None

    with pytest.raises(InvalidTable) as refused:
        read_table(rows.rename(columns={"Debt": "Dept"}), definition.schema)

    (shown,) = (
        one.text for one in blocks(DOCS / "how-to/train-on-your-data.md") if one.kind == "text"
    )
    assert f"build_model: {refused.value}" == shown.rstrip()
