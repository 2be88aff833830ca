"""The routes that predict."""

from flask import Blueprint, Response, g, request

from engine.api import jobs
from engine.api.negotiation import choose_form
from engine.api.requests import body_of, choose_version, received
from engine.api.responses import respond, version_headers
from engine.records.forms import ANSWER_FORMS
from engine.records.media_types import JSON, media_type
from engine.serving.additions import check_form
from engine.serving.prediction import Predictor


def blueprint(predictor: Predictor, *, max_table_bytes: int) -> Blueprint:
    """Return the routes that predict; bodies that are not tables have Flask's own limit."""
    routes = Blueprint("predict", __name__)

    @routes.post("/v0/predict", defaults={"name": None, "version": None})
    @routes.post("/v0/models/<name>/predict", defaults={"version": None})
    @routes.post("/v0/models/<name>/versions/<version>/predict")
    @routes.post("/inference/<name>", defaults={"version": None})
    @routes.post("/get_prediction", defaults={"name": None, "version": None})
    def predict(name: str | None, version: str | None) -> Response:
        """Predict one record or many."""
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        with g.timing.step("read"):
            body = body_of(kind, max_table_bytes)
        with received(body):
            form = choose_form(request.headers.get("Accept", ""))
            is_alias = not request.path.startswith("/v0")
            chosen = choose_version(predictor, body, model=name, version=version, is_alias=is_alias)
            if jobs.is_for_later():
                check_form(chosen, media_type(request.content_type or ""), form)
                return jobs.accept(body)
            content = predictor.answer(chosen, form)
        headers = {} if form == JSON else version_headers(chosen.version)
        return respond(content, form + ANSWER_FORMS[form].parameters, headers)

    return routes
