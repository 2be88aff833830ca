"""The route that vetiver's client asks."""

from flask import Blueprint, Response

from engine.api.errors import Failure, sentence
from engine.api.requests import choose_version, whole_body
from engine.api.responses import respond, version_headers
from engine.records.json_reader import read_json_body
from engine.records.media_types import JSON
from engine.records.rows_reader import read_instances
from engine.records.strict_json import write_json
from engine.records.values_writer import values_of
from engine.serving.prediction import Predictor


def blueprint(predictor: Predictor) -> Blueprint:
    """Give the route; it asks the default model."""
    routes = Blueprint("vetiver", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        """Predict a list of records, or columns; give the values."""
        body = whole_body()
        chosen = choose_version(predictor, body)
        version = chosen.version
        value = read_json_body(body, takes_nan=True)
        records = read_instances(value, version.schema, at="")
        decisions, _ = predictor.decide_records(chosen, records)
        content = write_json({"predict": values_of(version, decisions)}) + b"\n"
        return respond(content, JSON, version_headers(version))

    return routes


def phrase(found: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as text, which vetiver's client shows."""
    return f"{sentence(found)}\n".encode(), "text/plain; charset=utf-8"
