"""Every failure as one JSON shape, RFC 9457 problem details, or as a protocol has it.

The only table from exceptions to statuses. Nothing below this room knows
HTTP, nothing above it phrases an error.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from engine.api import trace_context
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.strict_json import write_json
from engine.runtime.memory import NotEnoughMemory
from engine.schema.problem_codes import Code
from persistence.store_errors import (
    ModelNotFound,
    StoreUnavailable,
    UntrustedArtifact,
    VersionNotFound,
)

_log = logging.getLogger(__name__)


#: The content type of a failure.
PROBLEM_TYPE = "application/problem+json"


class Failure(NamedTuple):
    """Why a request is not answered as it asks.

    Attributes
    ----------
    status : int
        The HTTP status.
    detail : str
        What was found and what is expected.
    problems : sequence of Problem
        Every one, where values are at fault.
    """

    status: int
    detail: str
    problems: Sequence[Problem] = ()


#: Phrases a failure, with the request's id, in the form of some protocol: body and content type.
Phrase = Callable[[Failure, str], tuple[bytes, str]]


def phrase(found: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as RFC 9457 has it."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(found.status).phrase,
        "status": found.status,
        "detail": found.detail,
        "request_id": request_id,
    }
    if trace_id := trace_context.current():
        body["trace_id"] = trace_id
    if found.problems:
        body["errors"] = [problem._asdict() for problem in found.problems[:PROBLEMS_LISTED]]
    return write_json(body) + b"\n", PROBLEM_TYPE


def phrase_of(app: Flask, path: str) -> Phrase:
    """Give the way in which failures are phrased at an address and below it."""
    forms: Mapping[str, Phrase] = app.extensions["failure_forms"]
    path = f"{path.partition('?')[0]}/"
    return next((form for prefix, form in forms.items() if path.startswith(f"{prefix}/")), phrase)


def sentence(found: Failure) -> str:
    """Say a failure in one line, every problem with its place in the body."""
    listed = "; ".join(
        one.detail if one.code == Code.NO_RECORDS else f"{one.pointer or 'the body'} {one.detail}"
        for one in found.problems[:PROBLEMS_LISTED]
    )
    return f"{found.detail}: {listed}" if listed else found.detail


def failure_response(found: Failure) -> Response:
    """Answer a failure of the request at hand, in the form of the protocol that it speaks."""
    body, kind = phrase_of(current_app, request.path)(found, g.get("request_id", ""))
    return Response(body, status=found.status, content_type=kind)


def explain(
    error: Exception, *, asked_for: tuple[str | None, str | None], request_id: str
) -> Failure:
    """Say what whatever was raised means to the client.

    Parameters
    ----------
    asked_for : tuple of str or None
        The model and the version that the request names, if it names any. What
        is asked for by name is the client's slip when it is not there; without
        a name the service is not ready.
    request_id : str
        Stands in the log where the failure is ours.
    """
    model, version = asked_for
    if isinstance(error, BadRequest):
        return Failure(error.status, error.detail)
    if isinstance(error, InvalidRecords):
        return Failure(422, _count(error.problems), error.problems)
    if isinstance(error, ModelNotFound) and model is not None:
        return Failure(404, f"there is no model {model[:80]!r} here")
    if isinstance(error, VersionNotFound) and version is not None:
        named = f"there is no version {version[:80]!r} of {(model or '')[:80]!r} here"
        return Failure(404, named)
    if isinstance(error, ModelNotFound):
        _log.error("no model to serve: %s", error)
        return Failure(503, "no version of the default model is stored yet")
    if isinstance(error, NotEnoughMemory):
        _log.error("a version is not loaded: %s", error)
        return Failure(503, "there is no memory for this version now; the log has the figures")
    if isinstance(error, (VersionNotFound, UntrustedArtifact)):
        _log.error("a version was refused: %s", error)
        return Failure(503, "the stored version was refused; the service log says why")
    if isinstance(error, StoreUnavailable):
        _log.error("a version cannot be read: %s", error)
        return Failure(503, "the store of the versions does not answer; the service log says why")
    _log.error("unexpected error, request %s", request_id, exc_info=error)
    return Failure(500, "the service failed; the request id finds the cause in its log")


def init_app(app: Flask, *, forms: Mapping[str, Phrase] = MappingProxyType({})) -> None:
    """Make the application phrase every failure here.

    Parameters
    ----------
    forms : mapping of str to callable
        By a path, how the protocol that is spoken there, and below it,
        phrases a failure.
    """
    app.extensions["failure_forms"] = forms
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _other)


def refuse_records(error: InvalidRecords) -> Response:
    """Answer records that are not valid where the protocol knows no 422."""
    return failure_response(_explain_here(error)._replace(status=400))


def _other(error: Exception) -> Response:
    return failure_response(_explain_here(error))


def _explain_here(error: Exception) -> Failure:
    asked = request.view_args or {}
    asked_for = (asked.get("name"), asked.get("version"))
    if isinstance(error, InvalidRecords):
        g.problems = error.problems  # they are counted together with the request
    return explain(error, asked_for=asked_for, request_id=g.get("request_id", ""))


def _count(problems: list[Problem]) -> str:
    count = len(problems)
    if count > PROBLEMS_LISTED:
        return f"the input has more than {PROBLEMS_LISTED} problems; the first are listed"
    return f"the input has {count} problem{'s' if count > 1 else ''}"


def _http(error: HTTPException) -> Response:
    if error.code is None or error.response is not None:  # a redirect or a ready answer
        return error.get_response()  # type: ignore[return-value]
    details = {
        404: f"there is nothing at {request.path[:200]!r}; /docs lists what there is",
        405: f"{request.method[:20]} is not allowed here; allowed: "
        f"{', '.join(sorted(getattr(error, 'valid_methods', None) or []))}",
        413: f"the body is larger than {request.max_content_length} bytes",
    }
    answer = failure_response(Failure(error.code, details.get(error.code, error.description or "")))
    if error.code == 405:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or []))  # type: ignore[attr-defined]
    return answer
