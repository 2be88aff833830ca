"""`flask check-drift`: what it prints, how it ends, whom it tells."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from engine.commands import check_drift as command
from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import PredictionRow
from tests.monitoring.test_drift_reports import SECRET, receiver
from tests.support.application import serve
from tests.support.toys import rent

MODEL = "rent"
SENT = 1_767_225_600.0  # the first second of 2026


def rows_of(store: ModelStore, count: int, *, shift: float = 1.0) -> list[PredictionRow]:
    """Answer rows like those of the training, one field of which may be multiplied."""
    version = load_version(store, MODEL)
    table = rent.load_data(Path())
    fields = version.schema.fields
    records = [
        {field.name: field.json_value(field.read(field.from_cell(row[field.column]))[0])
         for field in fields}
        for row in table.sample(count, replace=True, random_state=1).to_dict("records")
    ]  # fmt: skip
    for record in records:
        record["area"] = record["area"] and record["area"] * shift
    answers = version.predict(version.schema.columns(records))
    return [
        PredictionRow(id=f"{place:032x}", at=SENT + place, model=MODEL, version=version.version,
                      record=record, value=answer.value)
        for place, (record, answer) in enumerate(zip(records, answers, strict=True))
    ]  # fmt: skip
