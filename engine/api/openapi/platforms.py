"""The description of the routes that other systems prescribe."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from engine.api.openapi.json_schema import MOST_ROWS
from engine.api.openapi.parts import BYTES, TEXT, answer, refer
from engine.records.media_types import ARROW, CSV, LINES, PARQUET
from engine.records.strict_json import class_name, write_json
from engine.schema.card import Card

_OBJECT = {"type": "object"}
_NO_PARAMETERS = {"type": ["object", "null"], "maxProperties": 0, "description": "There are none"}
_MLFLOW = {
    **_OBJECT,
    "required": ["error_code", "message"],
    "properties": {"error_code": TEXT, "message": TEXT},
}
_STATUS = {"code": {"type": "integer"}, "message": TEXT, "status": TEXT}
_GOOGLE = {
    **_OBJECT,
    "required": ["error"],
    "properties": {"error": {**_OBJECT, "required": [*_STATUS], "properties": _STATUS}},
}


def host_paths(health_route: str) -> dict[str, Any]:
    """Describe what platforms ask whatever the model is.

    Parameters
    ----------
    health_route : str
        That of Vertex AI; empty for none.
    """
    integers = {one: {"type": "integer"} for one in ("MaxConcurrentTransforms", "MaxPayloadInMB")}
    batches = {**_OBJECT, "properties": {**integers, "BatchStrategy": TEXT}}
    blank = {"description": "It answers: an empty line", "content": {"application/json": {}}}
    paths = {
        "/ping": _get("ping", "Says whether the default model answers", blank),
        "/version": _get("version", "Gives the service's version", _text("The version")),
        "/execution-parameters": _get(
            "execution_parameters", "Says how batches are to be sent", answer(batches, "How")
        ),
    }
    paths["/ping"]["get"]["responses"]["404"] = answer(_MLFLOW, "It does not answer")
    if health_route:
        found = answer({**_OBJECT, "properties": {"status": TEXT}}, "It answers")
        path = _get("vertex_health", "Says whether the default model answers", found)
        path["get"]["responses"]["503"] = answer(_GOOGLE, "It does not answer")
        paths[health_route] = path
    return paths


def protocol_paths(name: str, card: Card, predict_route: str) -> dict[str, Any]:
    """Describe how other systems' clients ask the default model.

    Parameters
    ----------
    card : mapping
        Of the version that answers.
    predict_route : str
        That of Vertex AI; empty for none.
    """
    record = card["example"]["record"]
    paths = {"/invocations": _invocations(name, record), "/predict": _vetiver(name, record)}
    if predict_route:
        paths[predict_route] = _vertex(name, record)
    return paths


def _invocations(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    row, columns = list(record.values()), {field: [one] for field, one in record.items()}
    held = {
        "dataframe_split": {"columns": list(record), "data": [row]},
        "dataframe_records": [record],
        "instances": [record],
        "inputs": columns,
    }
    content: dict[str, Any] = {
        "application/json": {
            "schema": {"anyOf": [*_held_schemas(name, [*record]), _several(name)]},
            "examples": {form: {"value": {form: one}} for form, one in held.items()},
        },
        CSV: {"schema": TEXT, "example": _write_line(row)},
        "application/jsonlines": {"schema": TEXT, "example": write_json(record).decode() + "\n"},
        LINES: {"schema": TEXT},
        **{kind: {"schema": BYTES} for kind in (PARQUET, ARROW, "application/x-npy")},
    }
    value = refer(f"{name}_value")
    found = answer(_list_as("predictions", value), "The predicted values")
    found["content"] |= {
        CSV: {"schema": {**TEXT, "description": "A value a line, no header"}},
        "application/jsonlines": {"schema": {**TEXT, "description": "A prediction a line"}},
        LINES: {"schema": {**TEXT, "description": "A prediction a line"}},
    }
    failures = {one: answer(_MLFLOW, "A failure") for one in (400, 406, 408, 413, 503, 504, 507)}
    failures[415] = _text("The content type or encoding is another one")
    summary = "Predict, as clients of MLflow and SageMaker ask"
    return _post("invocations", summary, content, found, failures)


def _held_schemas(name: str, fields: list[str]) -> list[dict[str, Any]]:
    """Describe the four objects that MLflow's clients send."""
    several = _several(name)
    whatever = {"anyOf": [several, refer(f"{name}_columns"), refer(f"{name}_record")]}
    split = {
        "columns": {
            "type": ["array", "null"],
            "description": "The names of the values of each row, in any order",
            "items": {"type": "string", "enum": fields},
            "minItems": len(fields),
            "maxItems": len(fields),
        },
        "index": {"description": "Not read"},
        "data": {"type": "array", "items": refer(f"{name}_row"), **MOST_ROWS},
    }
    forms: dict[str, Any] = {
        "dataframe_split": {
            **_OBJECT, "required": ["data"], "properties": split, "additionalProperties": False,
        },
        "dataframe_records": several,
        "instances": whatever,
        "inputs": whatever,
    }  # fmt: skip
    return [
        {
            **_OBJECT,
            "required": [form],
            "properties": {form: schema, "params": _NO_PARAMETERS},
            "additionalProperties": False,
        }
        for form, schema in forms.items()
    ]


def _several(name: str) -> dict[str, Any]:
    """Describe a list of records, or of rows without names."""
    one = {"anyOf": [refer(f"{name}_record"), refer(f"{name}_row")]}
    return {"type": "array", "items": one, **MOST_ROWS}


def _vetiver(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    forms = [_several(name), refer(f"{name}_columns"), refer(f"{name}_record")]
    content = {"application/json": {"schema": {"anyOf": forms}, "example": [record, record]}}
    value = refer(f"{name}_value")
    found = answer(_list_as("predict", value), "The predicted values")
    failures = {one: _text("A failure") for one in (400, 413, 422, 503, 504)}
    return _post("vetiver", "Predict, as vetiver's client asks", content, found, failures)


def _vertex(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    body = {"instances": [record, list(record.values())]}
    properties = {
        "instances": _several(name),
        "parameters": _NO_PARAMETERS,
    }
    schema = {
        **_OBJECT, "required": ["instances"], "properties": properties,
        "additionalProperties": False,
    }  # fmt: skip
    content = {"application/json": {"schema": schema, "example": body}}
    one = refer(f"{name}_prediction")
    found = answer(_list_as("predictions", one), "The predictions")
    failures = {one: answer(_GOOGLE, "A failure") for one in (400, 413, 503, 504)}
    return _post("vertex_predict", "Predict, as Vertex AI asks", content, found, failures)


def _get(identifier: str, summary: str, found: Mapping[str, Any]) -> dict[str, Any]:
    operation = {"operationId": identifier, "tags": ["Other systems"], "summary": summary}
    return {"get": {**operation, "responses": {"200": found}}}


def _post(
    identifier: str, summary: str, content: Mapping[str, Any], found: Mapping[str, Any],
    failures: Mapping[int, Any],
) -> dict[str, Any]:  # fmt: skip
    operation = {"operationId": identifier, "tags": ["Other systems"], "summary": summary}
    body = {"required": True, "content": content}
    responses = {"200": found, **{str(status): one for status, one in failures.items()}}
    return {"post": {**operation, "requestBody": body, "responses": responses}}


def _list_as(key: str, items: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: {"type": "array", "items": items}}
    return {**_OBJECT, "required": [key], "properties": properties}


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": TEXT}}}


def _write_line(row: list[Any]) -> str:
    line = io.StringIO()
    cells = ["" if value is None else class_name(value) for value in row]
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
