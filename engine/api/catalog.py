"""Which models are here, and which versions of each."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from engine.api.middleware.auth import may_see
from engine.api.responses import json_response
from engine.serving.model_cache import ModelCache
from persistence.store_errors import StoreError

_log = logging.getLogger(__name__)

#: Of a card, what tells versions apart.
_TELLING = ("version", "title", "description", "task", "created_at", "runtime", "score", "scores")


def blueprint(models: ModelCache) -> Blueprint:
    """Give the routes that list models and versions."""
    routes = Blueprint("catalog", __name__)

    @routes.get("/v0/models")
    def show_models() -> Response:
        """List the models that have a promoted version."""
        found = [_summary(models, name, None) for name in models.store.names() if may_see(name)]
        return json_response(
            {"models": [one for one in found if one], "default_model": models.default}
        )

    @routes.get("/v0/models/<name>")
    def show_model(name: str) -> Response:
        """Describe a model's promoted version, and name the others."""
        versions = models.store.versions(name)
        found = {**_described(models.card(name), name), "candidate": _candidate(models, name)}
        if refused := models.refused(name):
            found["refused"] = refused._asdict()
        return json_response({**found, "versions": versions[::-1]})

    @routes.get("/v0/models/<name>/versions")
    def show_versions(name: str) -> Response:
        """List a model's versions, the newest first."""
        promoted = models.card(name)["version"]
        found = [_summary(models, name, one) for one in reversed(models.store.versions(name))]
        return json_response(
            {
                "model": name,
                "candidate": _candidate(models, name),
                "versions": [_marked(one, promoted) for one in found if one],
            }
        )

    return routes


def _summary(models: ModelCache, name: str, version: str | None) -> dict[str, Any] | None:
    """Describe a version; None, and a line in the log, when it is refused."""
    try:
        return _described(models.card(name, version), name)
    except StoreError as error:
        _log.error("left out of the list: %s", error)
        return None


def _candidate(models: ModelCache, name: str) -> dict[str, Any] | None:
    """Describe what is tried beside the promoted version; None when nothing is."""
    known = models.served(name)
    candidate = known.candidate if known else models.store.pointer(name).candidate
    return candidate._asdict() if candidate else None


def _described(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"name": name, **{key: card[key] for key in _TELLING}}


def _marked(one: Mapping[str, Any], promoted: str) -> dict[str, Any]:
    return {**one, "promoted": one["version"] == promoted}
