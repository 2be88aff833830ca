"""Responses of the HTTP interface."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from engine.records.media_types import JSON
from engine.records.spool import Spool
from engine.records.strict_json import write_json
from engine.runtime.version import StoredVersion


def json_response(value: Any) -> Response:
    """Return a response in JSON, with a line end."""
    return Response(write_json(value) + b"\n", mimetype="application/json")


def respond(
    body: bytes | Spool, content_type: str = JSON, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response with a prediction; a spool is closed once it is sent."""
    response = Response(body, content_type=content_type)
    response.headers.update(headers or {})
    if isinstance(body, Spool):
        response.content_length = body.size
    response.headers["Cache-Control"] = "no-store"
    return response


def version_headers(version: StoredVersion) -> dict[str, str]:
    """Return the headers that name the version that has answered."""
    return {"X-Model": version.name, "X-Model-Version": version.version}
