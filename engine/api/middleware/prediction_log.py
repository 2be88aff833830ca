"""Whether a prediction is in the log, as its answer says."""

from flask import Response, g, request

from engine.api.errors import Failure, failure_response
from engine.api.middleware.auth import ACCESS
from engine.api.resources import resources
from engine.languages import gettext as _
from engine.serving.request import PredictRequest

#: What is taken to come where a request does not say how long it is.
_BYTES = 2**16


def refuse_early() -> Response | None:
    """Refuse a request before any work where its prediction has to be logged and cannot be."""
    log = resources().log
    if log is None or ACCESS.get(request.endpoint or "") != "predict":
        return None
    return _refuse() if log.refusal(request.content_length or _BYTES) else None


def finish(response: Response) -> Response:
    """Add the id of the prediction, or why it has none; refuse what has to be logged and is not."""
    predicted: PredictRequest | None = g.get("predict_request")
    if predicted is None:
        return response
    log = resources().log
    if predicted.unlogged and log and log.is_strict and response.status_code < 400:
        response = _refuse()
    if line := header(predicted):
        response.headers[line[0]] = line[1]
    return response


def header(predicted: PredictRequest) -> tuple[str, str] | None:
    """Return the header that says whether a prediction is in the log; None without a log."""
    if predicted.prediction_id:
        return "X-Prediction-Id", predicted.prediction_id
    return ("X-Prediction-Log", predicted.unlogged) if predicted.unlogged else None


def _refuse() -> Response:
    detail = _(
        "the prediction cannot be logged, and none is answered without: "
        "try again as Retry-After says"
    )
    response = failure_response(Failure(503, detail))
    response.headers["Retry-After"] = "1"
    return response
