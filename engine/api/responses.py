"""Responses of the HTTP interface."""

from typing import Any

from flask import Response

from engine.records.strict_json import write_json
from engine.serving.request import PredictResponse


def json_response(value: Any) -> Response:
    """Answer with JSON and a line end."""
    return Response(write_json(value) + b"\n", mimetype="application/json")


def respond(found: PredictResponse) -> Response:
    """Send an answer."""
    body = found.spool or found.body
    response = Response(body, status=found.status, content_type=found.content_type)
    response.headers.update(found.headers)
    if found.spool:
        response.content_length = found.spool.size
    if found.status == 200:
        response.headers["Cache-Control"] = "no-store"
    return response
