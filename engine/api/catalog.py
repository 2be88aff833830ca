"""The models, their versions, and how each version was made."""

import logging
import operator
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from typing import Any

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api.negotiation import opens_a_page
from engine.api.paging import Page, page_of
from engine.api.requests import may_see
from engine.api.responses import json_response
from engine.schema.card import Card, select
from engine.serving.model_cache import ModelCache
from persistence.names import NAME, VERSION
from persistence.store_errors import StoreError

_log = logging.getLogger(__name__)

#: The keys of a card by which a person recognises a version.
_SUMMARY = ("version", "title", "description", "task", "created_at", "runtime", "score", "scores")

#: The keys of a card that `describe_version` returns as they are.
_FACTS = (
    "title", "description", "task", "classes", "positive", "threshold", "score", "scores",
    "class_scores", "hyperparameters", "data", "runtime", "schema",
)  # fmt: skip


def blueprint(models: ModelCache) -> Blueprint:
    """Return the routes that list and describe models and versions."""
    routes = Blueprint("catalog", __name__)

    routes.before_request(partial(_lead_people, models))
    routes.after_request(_vary)

    @routes.get("/v0/models")
    def show_models() -> Response:
        """List the models that have a promoted version, in alphabetical order."""
        page = page_of([*filter(may_see, models.store.names())], NAME, is_after=operator.gt)
        summaries = [_summary(models, name, None) for name in page.names]
        entries = {"models": [*filter(None, summaries)], "default_model": models.default}
        return page.link(json_response({**entries, "next": page.next}))

    @routes.get("/v0/models/<name>")
    def show_model(name: str) -> Response:
        """Describe a model's promoted version, and list the others."""
        model = {**_describe(models.card(name), name), "candidate": _candidate(models, name)}
        if refused := models.refused(name):
            model["refused"] = refused._asdict()
        page = _versions(models, name)
        return page.link(json_response({**model, "versions": page.names, "next": page.next}))

    @routes.get("/v0/models/<name>/versions")
    def show_versions(name: str) -> Response:
        """List a model's versions, the newest first."""
        promoted = models.card(name)["version"]
        page, served = _versions(models, name), models.served(name)
        pointer = served.pointer if served else models.store.pointer(name)
        versions = [
            {**summary, "promoted": summary["version"] == promoted,
             "version_name": pointer.name_of(version) if pointer else None}
            for version in page.names
            if (summary := _summary(models, name, version))
        ]  # fmt: skip
        entries = {"model": name, "candidate": _candidate(models, name), "versions": versions}
        return page.link(json_response({**entries, "next": page.next}))

    @routes.get("/v0/model_info", defaults={"name": None, "version": None})
    @routes.get("/v0/models/<name>/model_info", defaults={"version": None})
    @routes.get("/v0/models/<name>/versions/<version>/model_info")
    def show_model_info(name: str | None, version: str | None) -> Response:
        """Describe how a version was made, by default the promoted version."""
        return json_response(describe_version(models.get(name, version).card))

    return routes


def _lead_people(models: ModelCache) -> AnyResponse | None:
    """Lead a browser to the page that says the same."""
    is_browser = opens_a_page(request.headers.get("Accept", ""))
    return redirect(_page(models, **request.view_args or {})) if is_browser else None


def _vary(response: Response) -> Response:
    # Caches must not give a program what a browser was answered.
    response.vary.add("Accept")
    return response


def _page(models: ModelCache, name: str | None = None, version: str | None = None) -> str:
    """Return the address of the page, relative to that of the request."""
    above = "../" * (request.path.count("/") - 1)
    if request.endpoint == "catalog.show_models":
        return f"{above}models"
    if request.endpoint == "catalog.show_versions":
        return f"{above}models/{name}/versions"
    card = models.card(name or models.default, version)
    return f"{above}v0/models/{card['model']}/versions/{card['version']}"


def describe_version(card: Card) -> dict[str, Any]:
    """Describe a version from its card, first by the keys of version 0.

    ``model_name`` is the estimator's class, ``num_features`` counts the columns
    that the estimator receives, ``feature_importances`` are the impurity
    importances or, where the model has none, the permutation importances.
    """
    permutation = card["permutation_importances"]
    importances = card["impurity_importances"]
    trees = {} if card["trees"] is None else {"num_trees": card["trees"]}
    created_at = datetime.fromisoformat(card["created_at"])
    return {
        "model_name": card["estimator"],
        **trees,
        "num_features": len(importances or card["schema"]["fields"]),
        "feature_importances": importances
        or {name: importance["mean"] for name, importance in permutation.items()},
        "model_created_at": format_datetime(created_at, usegmt=True),
        "permutation_importances": permutation,
        "model": {"name": card["model"], "version": card["version"]},
        **select(card, _FACTS),
    }


def _versions(models: ModelCache, name: str) -> Page:
    """Return the page of a model's versions that the request asks for, the newest first."""
    return page_of(models.store.versions(name)[::-1], VERSION, is_after=operator.lt)


def find_card(models: ModelCache, name: str, version: str | None = None) -> Card | None:
    """Return the card of a version; None, and a line in the log, when the version is refused."""
    try:
        return models.card(name, version)
    except StoreError as error:
        _log.error("left out: %s", error)
        return None


def _summary(models: ModelCache, name: str, version: str | None) -> dict[str, Any] | None:
    card = find_card(models, name, version)
    return card and _describe(card, name)


def _candidate(models: ModelCache, name: str) -> dict[str, Any] | None:
    """Describe the version that is tried beside the promoted version; None when there is none."""
    served = models.served(name)
    candidate = served.candidate if served else models.store.pointer(name).candidate
    return candidate._asdict() if candidate else None


def _describe(card: Card, name: str) -> dict[str, Any]:
    return {"name": name, **select(card, _SUMMARY)}
