"""What the served version is and how it was made."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from flask import Blueprint, Response

from engine.api.responses import json_response
from engine.serving.model_cache import ModelCache


def model_info(card: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a version from its card.

    Returns
    -------
    dict
        What version 0 promises first: ``model_name`` is the estimator's class,
        ``num_trees`` is left out where there are no trees, ``num_features``
        counts what the estimator sees, ``feature_importances`` are the
        impurity importances or, where the model has none, the permutation
        importances, and ``model_created_at`` is the training time.
    """
    permutation = card["permutation_importances"]
    importances = card["impurity_importances"]
    info: dict[str, Any] = {"model_name": card["estimator"]}
    if card["trees"] is not None:
        info["num_trees"] = card["trees"]
    info["num_features"] = len(importances or card["schema"]["fields"])
    info["feature_importances"] = importances or {
        name: one["mean"] for name, one in permutation.items()
    }
    created_at = datetime.fromisoformat(card["created_at"])
    info["model_created_at"] = format_datetime(created_at, usegmt=True)
    info["permutation_importances"] = permutation
    info["model"] = {"name": card["model"], "version": card["version"]}
    info |= {
        key: card[key]
        for key in (
            "title", "description", "task", "classes", "positive", "threshold", "score", "scores",
            "class_scores", "hyperparameters", "data", "runtime", "schema",
        )
    }  # fmt: skip
    return info


def blueprint(models: ModelCache) -> Blueprint:
    """Give the routes that describe a model."""
    routes = Blueprint("model_info", __name__)

    @routes.get("/v0/model_info", defaults={"name": None, "version": None})
    @routes.get("/v0/models/<name>/model_info", defaults={"version": None})
    @routes.get("/v0/models/<name>/versions/<version>/model_info")
    def show(name: str | None, version: str | None) -> Response:
        """Describe a version, by default the promoted one."""
        return json_response(model_info(models.get(name, version).card))

    return routes
