"""The API's own description, OpenAPI 3.1, made from the cards."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from flask import Blueprint, Response, current_app

from engine.api.middleware.auth import may_see, public_paths
from engine.api.openapi import platforms
from engine.api.openapi.inference_protocols import PROTOCOL_SCHEMAS, protocol_paths
from engine.api.openapi.parts import KEY_SCHEMES, TEXT, answer, fixed_paths, guard, problems, refer
from engine.api.openapi.predict import SHARED_SCHEMAS, answer_forms, input_forms, model_schemas
from engine.api.resources import resources
from engine.api.responses import json_response
from engine.serving.model_cache import ModelCache
from persistence.store_errors import StoreError

_log = logging.getLogger(__name__)


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
    shown = default if default in cards else next(iter(cards), "")
    paths: dict[str, Any] = fixed_paths(shown) | platforms.host_paths(vertex_routes[0])
    paths |= protocol_paths(cards.get(default))
    schemas = {**SHARED_SCHEMAS, **PROTOCOL_SCHEMAS}
    for name, card in cards.items():
        schemas |= model_schemas(name, card)
        for prefix in ["/v0"] * (name == default) + [f"/v0/models/{name}"]:
            paths |= _model_paths(name, card, prefix=prefix)
        paths |= _version_paths(name, card)
    if default in cards:
        paths |= platforms.protocol_paths(default, cards[default], vertex_routes[1])
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
    models: ModelCache, *, service: str, version: str, vertex_routes: tuple[str, str]
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
            except StoreError as error:
                _log.error("left out of the description: %s", error)
        return json_response(
            describe(
                cards, default=models.default, service=service, version=version,
                vertex_routes=vertex_routes, public=public_paths(current_app),
                are_keys_asked=resources().callers.are_asked,
            )
        )  # fmt: skip

    return routes


def _introduction(card: Mapping[str, Any]) -> str:
    note = card["data"]["note"]
    trained = f" Trained on sample data, {note}." if note else ""
    title = f"**{card['title']}** ({card['model']}, version {card['version']})"
    return f"{title}. {card['description']}{trained}"


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
                    "content": input_forms(name, card["example"]["record"]),
                },
                "responses": {
                    "200": answer_forms(name),
                    **problems(400, 406, 408, 413, 415, 422, 503, 504, 507),
                },
            }
        },
        f"{prefix}/model_info": {
            "get": {
                "operationId": f"{identifier}_model_info",
                "tags": [title],
                "summary": "Describe the served version",
                "responses": {
                    "200": answer(refer("ModelInfo"), "The version"),
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
