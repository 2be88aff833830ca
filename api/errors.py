"""Every failure as one JSON shape: RFC 9457 problem details.

The only table from exceptions to statuses. Nothing below this room knows
HTTP, nothing above it phrases an error.
"""

import logging
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from api.json_text import json_response
from persistence.model_persistence import ModelNotFound, UntrustedArtifact, VersionNotFound

_log = logging.getLogger(__name__)

#: An answer lists this many problems at most.
PROBLEMS_LISTED = 1000


class Problem(NamedTuple):
    """One thing that is wrong with a request.

    Attributes
    ----------
    pointer : str
        JSON pointer (RFC 6901) to the value in the body; empty for the body.
    detail : str
        What was found and what is expected.
    code : str
        For programs: ``missing``, ``extra``, ``repeated``, ``wrong_type``,
        ``not_finite``, ``out_of_range``, ``unknown_category``,
        ``wrong_length``, ``no_records`` or ``no_finite_answer``.
    """

    pointer: str
    detail: str
    code: str


class BadRequest(Exception):
    """The body cannot be read at all.

    Parameters
    ----------
    status : int
        400 when it is malformed, 413 when it holds too much, 415 when it is
        of another kind.
    detail : str
        What was found and what is expected.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class InvalidRecords(Exception):
    """The body can be read, but records in it are not valid; all problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def problem_response(
    status: int, detail: str, *, problems: list[Problem] | None = None
) -> Response:
    """Phrase a failure as ``application/problem+json``."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": g.get("request_id", ""),
    }
    if problems:
        body["errors"] = [problem._asdict() for problem in problems[:PROBLEMS_LISTED]]
    return json_response(body, status=status, mimetype="application/problem+json")


def init_app(app: Flask) -> None:
    """Make the application phrase every failure here."""
    app.register_error_handler(BadRequest, _bad_request)
    app.register_error_handler(InvalidRecords, _invalid_records)
    app.register_error_handler(ModelNotFound, _not_found)
    app.register_error_handler(VersionNotFound, _untrusted)
    app.register_error_handler(UntrustedArtifact, _untrusted)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _bad_request(error: BadRequest) -> Response:
    return problem_response(error.status, error.detail)


def _invalid_records(error: InvalidRecords) -> Response:
    count = len(error.problems)
    detail = f"the input has {count} problem{'s' if count > 1 else ''}"
    if count > PROBLEMS_LISTED:
        detail = f"the input has more than {PROBLEMS_LISTED} problems; the first are listed"
    return problem_response(422, detail, problems=error.problems)


def _not_found(error: ModelNotFound) -> Response:
    # A request for a model by name is the client's slip; one for the default
    # model finds a service that is not ready.
    name = (request.view_args or {}).get("name")
    if name is not None:
        return problem_response(404, f"there is no model {name[:80]!r} here")
    _log.error("no model to serve: %s", error)
    return problem_response(503, "no version of the default model is stored yet")


def _untrusted(error: UntrustedArtifact | VersionNotFound) -> Response:
    _log.error("a version was refused: %s", error)
    return problem_response(503, "the stored version was refused; the service log says why")


def _http(error: HTTPException) -> Response:
    if error.code is None or error.response is not None:  # a redirect or a ready answer
        return error.get_response()  # type: ignore[return-value]
    details = {
        404: f"there is nothing at {request.path[:200]!r}; /docs lists what there is",
        405: f"{request.method[:20]} is not allowed here; allowed: "
        f"{', '.join(sorted(getattr(error, 'valid_methods', None) or []))}",
        413: f"the body is larger than {request.max_content_length} bytes",
    }
    answer = problem_response(error.code, details.get(error.code, error.description or ""))
    if error.code == 405:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or []))  # type: ignore[attr-defined]
    return answer


def _unexpected(error: Exception) -> Response:
    _log.exception("unexpected error, request %s", g.get("request_id", ""))
    return problem_response(500, "the service failed; the request id finds the cause in its log")
