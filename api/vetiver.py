"""The route that vetiver's client asks."""

from flask import Blueprint, Response

from api.asked import Answer, asked_here, named
from api.body import JSON, read_json_body
from api.candidate import choose
from api.errors import Failure, sentence
from api.instances import read_instances
from api.json_text import write_json
from api.loaded import LoadedModels
from api.predict import respond, whole_body
from api.prediction import decide_records
from api.values_written import values_of


def blueprint(models: LoadedModels) -> Blueprint:
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
        return respond(Answer(200, write_json(found) + b"\n", JSON, named(version)))

    return routes


def phrase(found: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as text, which vetiver's client shows."""
    return f"{sentence(found)}\n".encode(), "text/plain; charset=utf-8"
