"""The columns of an answer: declared once, they are in every form of it."""

import csv
import io
import json
from bisect import bisect_right
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from engine.api.openapi.model import _prediction_schema
from engine.api.protocols.v2.request import InferRequest
from engine.api.protocols.v2.response import list_outputs, write_answer
from engine.records.forms import WRITERS
from engine.records.media_types import ARROW, CSV, JSON, LINES
from engine.records.writers import write_with
from engine.runtime.answers import (
    AnswerColumn,
    AnswerTemplate,
    Decisions,
    Prediction,
    answer_json,
    prediction_json,
)
from engine.runtime.loading import load_version
from engine.runtime.version import StoredVersion
from engine.schema.record_schema import Coding
from persistence.model_persistence import ModelStore

#: As a column of a later feature would be: two numbers for each record.
RANGE = AnswerColumn(
    "range", lambda decisions: np.tile([0.25, 0.75], (decisions.size, 1)),
    keys=("low", "high"), key_prefix="range_", tensor="range",
    schema={"type": "number"},
)  # fmt: skip


@pytest.fixture(params=["parcel", "rent", "coin"])
def version(toy_store: ModelStore, request: pytest.FixtureRequest) -> StoredVersion:
    """A version whose answers have one column more."""
    version = load_version(toy_store, request.param)
    version.answer_columns = (*version.answer_columns, RANGE)
    return version


@pytest.fixture
def decisions(version: StoredVersion) -> Decisions:
    record = version.card["example"]["record"]
    columns = version.schema.columns([record, record])
    return version.decide_matrix(Coding(version.schema.fields).pack(columns))


def write(version: StoredVersion, decisions: Decisions, form: str) -> bytes:
    return write_with(WRITERS[form], version, decisions, []).whole()


def expected(version: StoredVersion) -> dict[str, Any]:
    example, interval = version.card["example"], None
    if version.card["classes"] is None:
        margins = version.card["uncertainty"]["limits"]["0.9"]
        low, high = margins[bisect_right(version.card["uncertainty"]["edges"], example["value"])]
        interval = example["value"] + low, example["value"] + high
    prediction = Prediction(
        example["value"],
        tuple(example["probabilities"]) if example["probabilities"] else None,
        example["probability"],
        interval=interval,
    )
    return prediction_json(version.answer_columns[:-1], prediction)


def test_column_when_added_is_in_json_and_in_lines(
    version: StoredVersion, decisions: Decisions
) -> None:
    whole = json.loads(write(version, decisions, JSON))["predictions"]
    lines = [json.loads(line) for line in write(version, decisions, LINES).splitlines()]

    assert whole == lines
    assert {"low": 0.25, "high": 0.75} == whole[1].pop("range")
    assert [*expected(version)] == [*whole[1]]
    assert expected(version)["value"] == pytest.approx(whole[1]["value"])


def test_column_when_added_is_in_tables(version: StoredVersion, decisions: Decisions) -> None:
    header, *rows = csv.reader(io.StringIO(write(version, decisions, CSV).decode()))
    table = pa.ipc.open_stream(write(version, decisions, ARROW)).read_all()

    assert ["range_low", "range_high", "warnings"] == header[-3:]
    assert ["0.25", "0.75", ""] == rows[1][-3:]
    assert header == table.column_names
    assert [0.75, 0.75] == table["range_high"].to_pylist()


def test_column_when_added_is_an_output_of_tensors(
    version: StoredVersion, decisions: Decisions
) -> None:
    assert "range" == list_outputs(version)[-1]

    request = InferRequest([], lambda row, name: "", outputs={"range": False})
    response = write_answer(version, request, decisions, [])

    (output,) = json.loads(response.data)["outputs"]
    assert [2, 2] == output["shape"]
    assert [0.25, 0.75, 0.25, 0.75] == output["data"]


def test_column_when_added_is_described(version: StoredVersion) -> None:
    schema = _prediction_schema(version.answer_columns, version.card)

    assert ["low", "high"] == schema["properties"]["range"]["required"]
    assert "range" in schema["required"]


def test_prediction_when_written_alone_is_that_of_the_list(
    version: StoredVersion, decisions: Decisions
) -> None:
    columns = version.answer_columns[:-1]
    version.answer_columns = columns
    prediction = decisions.prediction(0, version.card["classes"])

    whole = json.loads(write(version, decisions, JSON))["predictions"]

    assert whole[0] == prediction_json(columns, prediction)


CARD: dict[str, Any] = {
    "model": "m", "version": "v", "classes": ['a "%b" b', 7, "\u00e9"], "has_probabilities": True,
    "schema": {"fields": []},
}  # fmt: skip
SHARES = (1e-7, 1 / 3, 1.0)


@pytest.mark.parametrize(
    ("card", "prediction"),
    [
        *((CARD, Prediction(label, SHARES, SHARES[n])) for n, label in enumerate(CARD["classes"])),
        (CARD | {"has_probabilities": False}, Prediction(7)),
        (CARD | {"classes": None, "has_probabilities": False}, Prediction(-1e22)),
    ],
)
def test_answer_when_written_into_a_template_is_that_of_the_json(
    card: dict[str, Any], prediction: Prediction
) -> None:
    written = AnswerTemplate(card).write(prediction, "today")

    assert msgspec.json.encode(answer_json(card, prediction, "today")) + b"\n" == written


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_answer_when_a_number_is_not_finite_is_none(number: float) -> None:
    number_card = CARD | {"classes": None, "has_probabilities": False}

    assert AnswerTemplate(CARD).write(Prediction(7, (0.5, number, 0.5), number), "today") is None
    assert AnswerTemplate(number_card).write(Prediction(number), "today") is None
