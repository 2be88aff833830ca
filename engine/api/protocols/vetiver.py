"""The route that vetiver's client asks."""

from flask import Blueprint, Response

from engine.api.errors import Failure, sentence
from engine.api.requests import asked_here, whole_body
from engine.api.responses import respond
from engine.records.json_reader import read_json_body
from engine.records.media_types import JSON
from engine.records.rows_reader import read_instances
from engine.records.strict_json import write_json
from engine.records.values_writer import values_of
from engine.serving.candidates import choose
from engine.serving.model_cache import ModelCache
from engine.serving.prediction import decide_records
from engine.serving.request import PredictResponse, version_headers


def blueprint(models: ModelCache) -> Blueprint:
    """Give the route; it asks the default model."""
    routes = Blueprint("vetiver", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        """Predict a list of records, or columns; give the values."""
        body = whole_body()
        version = choose(models, asked_here(body))
        value = read_json_body(body, takes_nan=True)
        decisions, _ = decide_records(version, read_instances(value, version.schema, at=""))
        found = {"predict": values_of(version, decisions)}
        return respond(
            PredictResponse(200, write_json(found) + b"\n", JSON, version_headers(version))
        )

    return routes


def phrase(found: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as text, which vetiver's client shows."""
    return f"{sentence(found)}\n".encode(), "text/plain; charset=utf-8"
