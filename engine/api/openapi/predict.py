"""The schemas of a model's records and answers, and the forms in which they are sent."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from engine.api.openapi.json_schema import MOST_ROWS, record_schema, row_schema
from engine.api.openapi.parts import BYTES, TEXT, answer, refer
from engine.records.media_types import ARROW, CSV, LINES, PARQUET
from engine.records.strict_json import class_name, write_json
from engine.schema.card import Card
from engine.schema.record_schema import Schema

_DATE = {**TEXT, "description": "RFC 5322 date, GMT"}


def _object(required: Sequence[str], properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", **more, "required": [*required], "properties": {**properties}}


def _problem() -> dict[str, Any]:
    texts = {"type": TEXT, "title": TEXT, "detail": TEXT, "request_id": TEXT}
    properties = {
        **texts,
        "status": {"type": "integer"},
        "trace_id": {**TEXT, "description": "Where the request names a trace"},
        "errors": {"type": "array", "items": refer("Finding")},
    }
    return _object([*texts, "status"], properties, description="RFC 9457 problem details")


def _finding() -> dict[str, Any]:
    properties = {
        "pointer": {**TEXT, "description": "JSON pointer into the body"},
        "detail": {**TEXT, "description": "What was found and what is expected"},
        "code": TEXT,
    }
    return _object([*properties], properties, description="What is remarked of one value")


def _model_info() -> dict[str, Any]:
    properties = {
        "model_name": {**TEXT, "description": "The estimator's class"},
        "num_features": {"type": "integer", "description": "What the estimator sees"},
        "feature_importances": {"type": "object", "additionalProperties": {"type": "number"}},
        "model_created_at": {**_DATE, "description": "The training time, an RFC 5322 date, GMT"},
        "model": refer("Served"),
        "schema": {"type": "object", "description": "The version's own fields and target"},
    }
    trees = {"type": "integer", "description": "Left out where there are no trees"}
    return _object([*properties], {**properties, "num_trees": trees})


#: What the paths of all models refer to.
SHARED_SCHEMAS = {
    "Problem": _problem(),
    "Finding": _finding(),
    "Served": _object(["name", "version"], {"name": TEXT, "version": TEXT}),
    "ModelInfo": _model_info(),
}


def model_schemas(name: str, card: Card) -> dict[str, Any]:
    """Give what the paths of a model refer to."""
    schema = Schema.from_json(card["schema"])
    return {
        f"{name}_record": record_schema(schema),
        f"{name}_columns": record_schema(schema, is_columns=True),
        f"{name}_row": row_schema(schema),
        f"{name}_table": _object(
            ["data"], {"data": refer(f"{name}_columns")}, additionalProperties=False
        ),
        f"{name}_value": _value_schema(schema, card),
        f"{name}_prediction": _prediction_schema(card, refer(f"{name}_value")),
        **_answer_schemas(name),
    }


def _value_schema(schema: Schema, card: Card) -> dict[str, Any]:
    if schema.target.classes is None:
        return {"type": "number", "description": schema.target.unit}
    kinds = {bool: "boolean", int: "integer", str: "string"}
    return {"type": kinds[type(card["classes"][0])], "enum": card["classes"]}


def _prediction_schema(card: Card, value: dict[str, Any]) -> dict[str, Any]:
    properties = {"value": value}
    if card["has_probabilities"]:
        share = {"type": "number", "minimum": 0, "maximum": 1}
        names = [class_name(label) for label in card["classes"]]
        properties["probability"] = {**share, "description": "Of the predicted class"}
        properties["probabilities"] = _object(names, dict.fromkeys(names, share))
    return _object([*properties], properties)


def _answer_schemas(name: str) -> dict[str, Any]:
    one = refer(f"{name}_prediction")
    shared = {
        "prediction_time": _DATE,
        "model": refer("Served"),
        "warnings": {"type": "array", "items": refer("Finding")},
    }
    forms = {
        f"{name}_answer": ("prediction", one),
        f"{name}_answers": ("predictions", {"type": "array", "items": one}),
    }
    return {
        title: _object([key, "prediction_time", "model"], {key: form, **shared})
        for title, (key, form) in forms.items()
    }


def input_forms(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the forms in which records come, each with an example."""
    columns = {field: [value] for field, value in record.items()}
    one = refer(f"{name}_record")
    several = {"type": "array", "items": one, **MOST_ROWS}
    return {
        "application/json": {
            "schema": {"anyOf": [one, several, refer(f"{name}_table")]},
            "examples": {
                "one": {"summary": "One record", "value": record},
                "many": {"summary": "A list of records", "value": [record, record]},
                "columns": {"summary": "Columns", "value": {"data": columns}},
            },
        },
        CSV: {"schema": TEXT, "example": _write_csv(record)},
        LINES: {"schema": TEXT, "example": 2 * (write_json(record).decode() + "\n")},
        **{kind: {"schema": BYTES} for kind in (ARROW, PARQUET)},
    }


def answer_forms(name: str) -> dict[str, Any]:
    """Describe the forms of an answer; those for many rows bear the version in headers."""
    found = answer({"oneOf": [refer(f"{name}_answer"), refer(f"{name}_answers")]}, "Predictions")
    found["content"] |= {
        CSV: {"schema": {**TEXT, "description": "A line a prediction"}},
        LINES: {"schema": {**TEXT, "description": "A prediction a line"}},
        ARROW: {"schema": BYTES},
    }
    headers = {"X-Model": "The model's name", "X-Model-Version": "What answered"}
    found["headers"] = {
        header: {"description": f"{meaning}; not with JSON", "schema": TEXT}
        for header, meaning in headers.items()
    }
    return found


def _write_csv(record: Mapping[str, Any]) -> str:
    lines = io.StringIO()
    cells = ["" if value is None else class_name(value) for value in record.values()]
    csv.writer(lines, lineterminator="\n").writerows([record, cells])
    return lines.getvalue()
