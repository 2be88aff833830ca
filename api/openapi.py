"""The API's own description, OpenAPI 3.1, made from the cards."""

import csv
import io
import logging
from collections.abc import Collection, Mapping
from typing import Any

from flask import Blueprint, Response, current_app

from api import openapi_hosts
from api.auth import may_see, public_paths
from api.body import ARROW, CSV, LINES, MAX_RECORDS, PARQUET
from api.field_schema import record_schema
from api.json_text import class_name, json_response, write_json
from api.loaded import LoadedModels
from api.openapi_parts import KEY_SCHEMES, TEXT, answer, fixed_paths, guard, problems
from api.openapi_protocols import PROTOCOL_SCHEMAS, protocol_paths
from models.fields import Number
from models.schema import Schema
from persistence.model_persistence import ModelNotFound, UntrustedArtifact, VersionNotFound

_log = logging.getLogger(__name__)

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "trace_id": {"type": "string", "description": "Where the request names a trace"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
    },
}
_FINDING = {
    "type": "object",
    "description": "What is remarked of one value",
    "required": ["pointer", "detail", "code"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer into the body"},
        "detail": {"type": "string", "description": "What was found and what is expected"},
        "code": {"type": "string"},
    },
}
_SERVED = {
    "type": "object",
    "required": ["name", "version"],
    "properties": {"name": {"type": "string"}, "version": {"type": "string"}},
}
_DATE = {"type": "string", "description": "RFC 5322 date, GMT"}


def describe(
    cards: Mapping[str, Mapping[str, Any]], *, default: str, service: str, version: str,
    vertex_routes: tuple[str, str], public: Collection[str] = (), are_keys_asked: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Describe the whole API.

    Parameters
    ----------
    cards : mapping of str to card
        The promoted version of every model.
    default : str
        The model that ``/v0/predict`` asks.
    vertex_routes : tuple of str
        Where Vertex AI asks for health and predictions; empty for none.
    public : collection of str
        The addresses that are open to all.
    are_keys_asked : bool
        Whether a request needs a key now.
    """
    paths: dict[str, Any] = fixed_paths() | openapi_hosts.host_paths(vertex_routes[0])
    paths |= protocol_paths(cards.get(default))
    schemas: dict[str, Any] = {"Problem": _PROBLEM, "Finding": _FINDING, "Served": _SERVED}
    schemas |= PROTOCOL_SCHEMAS
    for name, card in cards.items():
        schemas |= _model_schemas(name, card)
        for prefix in ["/v0"] * (name == default) + [f"/v0/models/{name}"]:
            paths |= _model_paths(name, card, prefix=prefix)
        paths |= _version_paths(name, card)
    if default in cards:
        record = cards[default]["example"]["record"]
        paths |= openapi_hosts.protocol_paths(default, record, vertex_routes[1])
    guard(paths, public=public, are_keys_asked=are_keys_asked)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": service,
            "version": version,
            "description": "\n\n".join(_introduction(card) for card in cards.values()),
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": KEY_SCHEMES},
    }


def blueprint(
    models: LoadedModels, *, service: str, version: str, vertex_routes: tuple[str, str]
) -> Blueprint:
    """Give the route of the description."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def document() -> Response:
        """Describe this API."""
        cards = {}
        for name in filter(may_see, models.store.names()):
            try:
                cards[name] = models.card(name)
            except (ModelNotFound, VersionNotFound, UntrustedArtifact) as error:
                _log.error("left out of the description: %s", error)
        return json_response(
            describe(
                cards, default=models.default, service=service, version=version,
                vertex_routes=vertex_routes, public=public_paths(current_app),
                are_keys_asked=current_app.extensions["callers"].are_asked,
            )
        )  # fmt: skip

    return routes


def _introduction(card: Mapping[str, Any]) -> str:
    note = card["data"]["note"]
    trained = f" Trained on sample data, {note}." if note else ""
    title = f"**{card['title']}** ({card['model']}, version {card['version']})"
    return f"{title}. {card['description']}{trained}"


def _model_schemas(name: str, card: Mapping[str, Any]) -> dict[str, Any]:
    schema = Schema.from_json(card["schema"])
    return {
        f"{name}_record": record_schema(schema),
        f"{name}_columns": record_schema(schema, is_columns=True),
        f"{name}_prediction": _prediction_schema(schema, card),
    }


def _prediction_schema(schema: Schema, card: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(schema.target, Number):
        value: dict[str, Any] = {"type": "number", "description": schema.target.unit}
    else:
        value = {"enum": card["classes"]}
    properties = {"value": value}
    if card["has_probabilities"]:
        share = {"type": "number", "minimum": 0, "maximum": 1}
        names = [class_name(label) for label in card["classes"]]
        properties["probability"] = {**share, "description": "Of the predicted class"}
        properties["probabilities"] = {
            "type": "object",
            "required": names,
            "properties": dict.fromkeys(names, share),
        }
    return {"type": "object", "required": list(properties), "properties": properties}


def _model_paths(
    name: str, card: Mapping[str, Any], *, prefix: str, identifier: str = ""
) -> dict[str, Any]:
    title = f"{card['title']} ({name})"
    identifier = identifier or prefix.strip("/").replace("/", "_")
    return {
        f"{prefix}/predict": {
            "post": {
                "operationId": f"{identifier}_predict",
                "tags": [title],
                "summary": "Predict one record or many",
                "requestBody": {
                    "required": True,
                    "content": _inputs(name, card["example"]["record"]),
                },
                "responses": {
                    "200": _predictions(name),
                    **problems(400, 406, 408, 413, 415, 422, 503, 507),
                },
            }
        },
        f"{prefix}/model_info": {
            "get": {
                "operationId": f"{identifier}_model_info",
                "tags": [title],
                "summary": "Describe the served version",
                "responses": {
                    "200": answer(_info_answer(), "The version"),
                    **problems(503),
                },
            }
        },
    }


def _version_paths(name: str, card: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the routes of a model's other versions, and its second address."""
    version = {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "Its identifier; another version may have other fields",
        "schema": TEXT,
        "example": card["version"],
    }
    prefix = f"/v0/models/{name}/versions/{{version}}"
    paths = _model_paths(name, card, prefix=prefix, identifier=f"{name}_version")
    for operation in [one for path in paths.values() for one in path.values()]:
        operation["parameters"] = [version]
        operation["responses"] |= problems(404)
    predict = _model_paths(name, card, prefix="", identifier=f"inference_{name}")["/predict"]
    return {**paths, f"/inference/{name}": predict}


def _inputs(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the forms in which records come, each with an example."""
    columns = {field: [value] for field, value in record.items()}
    reference = {"$ref": f"#/components/schemas/{name}_record"}
    return {
        "application/json": {
            "schema": {
                "anyOf": [
                    reference,
                    {"type": "array", "items": reference, "minItems": 1, "maxItems": MAX_RECORDS},
                    {
                        "type": "object",
                        "required": ["data"],
                        "properties": {"data": {"$ref": f"#/components/schemas/{name}_columns"}},
                        "additionalProperties": False,
                    },
                ]
            },
            "examples": {
                "one": {"summary": "One record", "value": record},
                "many": {"summary": "A list of records", "value": [record, record]},
                "columns": {"summary": "Columns", "value": {"data": columns}},
            },
        },
        CSV: {"schema": TEXT, "example": _write_csv(record)},
        LINES: {"schema": TEXT, "example": 2 * (write_json(record).decode() + "\n")},
        ARROW: {},
        PARQUET: {},
    }


def _predictions(name: str) -> dict[str, Any]:
    """Describe the forms of an answer; those for many rows bear the version in headers."""
    found = answer(_prediction_answer(name), "The predictions")
    found["content"] |= {
        CSV: {"schema": {**TEXT, "description": "A line a prediction"}},
        LINES: {"schema": {**TEXT, "description": "A prediction a line"}},
        ARROW: {},
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


def _prediction_answer(name: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{name}_prediction"}
    shared = {
        "prediction_time": _DATE,
        "model": {"$ref": "#/components/schemas/Served"},
        "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
    }
    forms = {"prediction": one, "predictions": {"type": "array", "items": one}}
    return {
        "oneOf": [
            {
                "type": "object",
                "required": [key, "prediction_time", "model"],
                "properties": {key: form, **shared},
            }
            for key, form in forms.items()
        ]
    }


def _info_answer() -> dict[str, Any]:
    weights = {"type": "object", "additionalProperties": {"type": "number"}}
    properties = {
        "model_name": {"type": "string", "description": "The estimator's class"},
        "num_trees": {"type": "integer", "description": "Left out where there are no trees"},
        "num_features": {"type": "integer"},
        "feature_importances": weights,
        "model_created_at": {**_DATE, "description": "The training time"},
        "model": {"$ref": "#/components/schemas/Served"},
    }
    required = [key for key in properties if key != "num_trees"]
    return {"type": "object", "required": required, "properties": properties}
