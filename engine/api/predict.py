"""The routes that predict."""

from flask import Blueprint, Response, request

from engine.api.requests import asked_here, body_of
from engine.api.responses import respond
from engine.serving.model_cache import ModelCache
from engine.serving.prediction import answer
from engine.serving.timing import step


def blueprint(models: ModelCache, *, max_table_bytes: int) -> Blueprint:
    """Give the routes that predict.

    Parameters
    ----------
    max_table_bytes : int
        How long a table may be; other bodies are held to Flask's own limit.
    """
    routes = Blueprint("predict", __name__)

    @routes.post("/v0/predict", defaults={"name": None, "version": None})
    @routes.post("/v0/models/<name>/predict", defaults={"version": None})
    @routes.post("/v0/models/<name>/versions/<version>/predict")
    @routes.post("/inference/<name>", defaults={"version": None})
    def predict(name: str | None, version: str | None) -> Response:
        """Predict one record or many."""
        with step("read"):
            body = body_of(_kind(), max_table_bytes)
        return respond(answer(models, asked_here(body, model=name, version=version)))

    return routes


def _kind() -> str:
    return (request.content_type or "").partition(";")[0].strip().lower()
