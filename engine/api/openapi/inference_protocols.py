"""The part of the API's description that tells of the protocols of other servers."""

from collections.abc import Mapping
from typing import Any

from engine.api.openapi.parts import BYTES, TEXT, answer, refer
from engine.api.protocols.v2.binary import DATATYPES
from engine.api.statuses import STATUSES
from engine.schema.card import Card
from engine.schema.fields import Field
from engine.schema.record_schema import Schema

_FLAG = {"type": "boolean"}
_TEXTS = {"type": "array", "items": TEXT}
_PARAMETERS = {"type": ["object", "null"], "description": "By name: text, number or flag"}


def _object(*required: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


_SIZES = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2}
_DATATYPE = {"type": "string", "enum": [*DATATYPES, "BYTES"]}
_TENSOR = _object(
    "name", "shape", "datatype",
    name=TEXT, shape=_SIZES, datatype=_DATATYPE, parameters=_PARAMETERS,
    data={"type": "array", "items": {}, "description": "Left out where bytes follow the JSON"},
)  # fmt: skip
_DESCRIBED = _object(
    "name", "shape", "datatype",
    name=TEXT, shape={"type": "array", "items": {"type": "integer"}}, datatype=_DATATYPE,
)  # fmt: skip
_STATE = _object(
    "name", "version", "state", "reason", name=TEXT, version=TEXT, state=TEXT, reason=TEXT
)


def _tensors(name: str) -> dict[str, Any]:
    return {"type": "array", "items": refer(name)}


#: What the paths refer to.
PROTOCOL_SCHEMAS: dict[str, Any] = {
    "ErrorText": _object("error", error=TEXT),
    "Tensor": _TENSOR,
    "TensorWish": _object("name", name=TEXT, parameters=_PARAMETERS),
    "TensorDescription": _DESCRIBED,
    "InferRequest": _object(
        "inputs",
        id={"type": ["string", "null"]},
        parameters=_PARAMETERS,
        inputs={**_tensors("Tensor"), "minItems": 1},
        outputs={"type": ["array", "null"], "items": refer("TensorWish")},
    ),
    "InferAnswer": _object(
        "model_name", "model_version", "outputs",
        model_name=TEXT, model_version=TEXT, id=TEXT, parameters=_PARAMETERS,
        outputs=_tensors("Tensor"),
    ),
    "ModelDescription": _object(
        "name", "versions", "platform", "inputs", "outputs",
        name=TEXT, versions=_TEXTS, platform=TEXT,
        inputs=_tensors("TensorDescription"), outputs=_tensors("TensorDescription"),
    ),
}  # fmt: skip


def protocol_paths(card: Card | None) -> dict[str, Any]:
    """Describe the routes of the Open Inference Protocol V2 and of KServe's V1.

    Parameters
    ----------
    card : mapping or None
        Of the version that the examples ask.
    """
    return {**_v2_paths(card), **_v1_paths(card)}


def _v2_paths(card: Card | None) -> dict[str, Any]:
    server = _object("name", "version", "extensions", name=TEXT, version=TEXT, extensions=_TEXTS)
    ready = _object("live", "ready", live=_FLAG, ready=_FLAG)
    paths = {
        "/v2": _get("v2_server", "Names the service", server),
        "/v2/health/live": _get("v2_live", "The process answers", _object("live", live=_FLAG)),
        "/v2/health/ready": _get("v2_ready", "The service is ready", ready, 503),
        "/v2/models": _get("v2_models", "Names the models", _object("models", models=_TEXTS)),
        "/v2/repository/index": {"post": _index()},
    }
    for verb in ("load", "unload"):
        operation = _operation(f"v2_{verb}", "Not done here", None, 501)
        paths[f"/v2/repository/models/{{name}}/{verb}"] = _named({"post": operation}, card)
    for part, suffix in (("", ""), ("/versions/{version}", "_version")):
        prefix = f"/v2/models/{{name}}{part}"
        paths[prefix] = _get(
            f"v2_model{suffix}",
            "Describes inputs and outputs",
            refer("ModelDescription"),
            404,
            503,
        )
        paths[f"{prefix}/ready"] = _get(
            f"v2_model_ready{suffix}", "A version answers its example",
            _object("name", "ready", name=TEXT, ready=_FLAG), 404, 503,
        )  # fmt: skip
        paths[f"{prefix}/infer"] = {"post": _infer(f"v2_infer{suffix}", card)}
        for path in (prefix, f"{prefix}/ready", f"{prefix}/infer"):
            _named(paths[path], card, has_version=bool(part))
    return paths


def _v1_paths(card: Card | None) -> dict[str, Any]:
    predictions = _object("predictions", predictions={"type": "array", "items": {}}, warnings=TEXT)
    predict = _operation(
        "v1_predict", "Predict instances", predictions, 400, 404, 408, 413, 415, 503, 504
    )
    forms = [{"type": "object"}, {"type": "array", "items": {}}]
    instance = {"anyOf": forms, "description": "A record, or its values in order"}
    instances = {"type": "array", "items": instance, "minItems": 1}
    content: dict[str, Any] = {"schema": _object("instances", instances=instances)}
    if card:
        content["example"] = {"instances": [card["example"]["record"]]}
    predict["requestBody"] = {"required": True, "content": {"application/json": content}}
    explain = _operation("v1_explain", "Not done here", None, 501)
    ready = _object("name", "ready", name=TEXT, ready=_FLAG)
    models = _object("models", models=_TEXTS)
    return {
        "/v1/models": _get("v1_models", "Names the models", models),
        "/v1/models/{name}": _named(
            _get("v1_model_ready", "A model answers its example", ready, 404, 503), card
        ),
        "/v1/models/{name}:predict": _named({"post": predict}, card),
        "/v1/models/{name}:explain": _named({"post": explain}, card),
    }


def _infer(identifier: str, card: Card | None) -> dict[str, Any]:
    operation = _operation(
        identifier, "Predict tensors", refer("InferAnswer"), 400, 404, 408, 413, 415, 503, 504
    )
    operation["responses"]["200"]["content"]["application/octet-stream"] = {"schema": BYTES}
    content: dict[str, Any] = {"schema": refer("InferRequest")}
    if card:
        content["example"] = _example(card)
    binary = {"schema": BYTES}
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": content, "application/octet-stream": binary},
    }
    return operation


def _example(card: Card) -> dict[str, Any]:
    """Write the worked example as a request to infer."""
    record = card["example"]["record"]
    inputs = [
        {"name": field.name, "shape": [1, 1], "datatype": _datatype(field), "data": [value]}
        for field in Schema.from_json(card["schema"]).fields
        if (value := record.get(field.name)) is not None or field.missing == "accept"
    ]
    return {"id": "1", "parameters": {"content_type": "pd"}, "inputs": inputs}


def _datatype(field: Field) -> str:
    """Return a datatype that takes whole numbers and others alike, as most clients send them."""
    return "FP64" if field.datatype == "INT64" else field.datatype


def _index() -> dict[str, Any]:
    operation = _operation(
        "v2_index", "Lists the versions", {"type": "array", "items": _STATE}, 400, 413, 415
    )
    asked = _object(ready=_FLAG)
    operation["requestBody"] = {
        "content": {"application/json": {"schema": asked, "example": {"ready": True}}}
    }
    return operation


def _get(identifier: str, summary: str, schema: dict[str, Any], *failures: int) -> dict[str, Any]:
    return {"get": _operation(identifier, summary, schema, *failures)}


def _operation(
    identifier: str, summary: str, schema: dict[str, Any] | None, *failures: int
) -> dict[str, Any]:
    title = "Open Inference Protocol" if identifier.startswith("v2") else "KServe V1"
    responses = {str(one): answer(refer("ErrorText"), STATUSES[one].meaning) for one in failures}
    if schema is not None:
        responses["200"] = answer(schema, "Done")
    return {
        "operationId": identifier, "tags": [title], "summary": summary, "responses": responses,
    }  # fmt: skip


def _named(path: dict[str, Any], card: Card | None, *, has_version: bool = False) -> dict[str, Any]:
    """Describe the parameters of a path."""
    examples = {"name": card["model"], "version": card["version"]} if card else {}
    for operation in path.values():
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": TEXT}
            | ({"example": examples[name]} if card else {})
            for name in ("name", "version")[: 1 + has_version]
        ]
    return path
