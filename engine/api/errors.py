"""Every failure as RFC 9457 problem details, or in the form of a protocol.

Only this file turns exceptions into statuses. Nothing below this room knows
HTTP, nothing above it phrases an error.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import BadHost, ClientDisconnected, HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing.exceptions import WebsocketMismatch

from engine.api import trace_context
from engine.api.negotiation import HTML, opens_a_page
from engine.api.resources import resources
from engine.languages import gettext as _
from engine.languages import mark, ngettext
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.strict_json import write_json
from engine.runtime.memory import NotEnoughMemory
from engine.schema.messages import did_you_mean, vocabulary
from engine.schema.problem_codes import Code
from engine.serving.loads import StillLoading
from persistence.database import DatabaseError
from persistence.store_errors import (
    ModelNotFound,
    StoreUnavailable,
    UntrustedArtifact,
    VersionNotFound,
)

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Why a request cannot be answered: what is wrong and what is expected, and every problem."""

    status: int
    detail: str
    problems: Sequence[Problem] = ()


#: What keeps the service from answering: the exception, how it is logged, status and detail.
_TROUBLES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, int, str], ...] = (
    (
        NotEnoughMemory, "a version is not loaded", 503,
        mark("there is no memory for this version now; the log has the figures"),
    ),
    (
        StillLoading, "a request is not answered in time", 504,
        mark("the version is still being loaded: send the request again"),
    ),
    (
        (VersionNotFound, UntrustedArtifact), "a version was refused", 503,
        mark("the stored version was refused; the service log says why"),
    ),
    (
        StoreUnavailable, "a version cannot be read", 503,
        mark("the store of the versions does not answer; the service log says why"),
    ),
    (
        DatabaseError, "the prediction log cannot be read", 503,
        mark("the prediction log does not answer: try again; the service log says why"),
    ),
)  # fmt: skip

#: Phrases a failure, with the request's id, in the form of a protocol, or as a page for a path:
#: body, content type and perhaps headers, as `Phrased` has them.
Phrase = Callable[..., tuple[Any, ...]]


class Phrased(NamedTuple):
    """A failure as the body of an answer."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = {}


def phrase(failure: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as RFC 9457 prescribes."""
    body: dict[str, Any] = {
        "type": "about:blank",
        # Python's own words for 413 and 422 are others in 3.13.
        "title": HTTP_STATUS_CODES[failure.status],
        "status": failure.status,
        "detail": failure.detail,
        "request_id": request_id,
    }
    if trace_id := trace_context.current():
        body["trace_id"] = trace_id
    if failure.problems:
        body["errors"] = [problem._asdict() for problem in failure.problems[:PROBLEMS_LISTED]]
    return write_json(body) + b"\n", "application/problem+json"


def phrase_of(phrases: Mapping[str, Phrase], url: str, accept: str) -> Phrase:
    """Return the function that phrases failures at an address, for a browser as a page."""
    path = url.partition("?")[0]
    spoken = (phrases[prefix] for prefix in phrases if f"{path}/".startswith(f"{prefix}/"))
    if found := next(spoken, None):
        return found
    return partial(phrases[HTML], path=path) if opens_a_page(accept) else phrase


def sentence(failure: Failure) -> str:
    """Format a failure as one line, every problem with its pointer into the body."""
    listed = "; ".join(
        problem.detail
        if problem.code == Code.NO_RECORDS
        else f"{problem.pointer or _('the body')} {problem.detail}"
        for problem in failure.problems[:PROBLEMS_LISTED]
    )
    return f"{failure.detail}: {listed}" if listed else failure.detail


def failure_response(failure: Failure) -> Response:
    """Return the response to the current request, in the form of the protocol it speaks."""
    write = phrase_of(resources().phrases, request.path, request.headers.get("Accept", ""))
    body, content_type, headers = Phrased(*write(failure, g.get("request_id", "")))
    response = Response(body, status=failure.status, content_type=content_type)
    response.headers.update(headers)
    return response


def explain(error: Exception, *, model: str | None, version: str | None) -> Failure:
    """Return what an exception means to a client that names a model or a version, if any.

    When a model or a version that is named does not exist, the client is at
    fault; without a name the service is not ready.
    """
    if isinstance(error, BadRequest):
        return Failure(error.status, error.detail)
    if isinstance(error, InvalidRecords):
        count = len(error.problems)
        detail = ngettext("the input has {count} problem", "the input has {count} problems", count)
        detail = detail.format(count=count)
        if count > PROBLEMS_LISTED:
            detail = _(
                "the input has more than {problems_listed} problems; the first are listed"
            ).format(problems_listed=PROBLEMS_LISTED)
        return Failure(422, detail, error.problems)
    if isinstance(error, ModelNotFound) and model is not None:
        return Failure(404, _("there is no model {model} here").format(model=repr(model[:80])))
    if isinstance(error, VersionNotFound) and version is not None:
        detail = _("there is no version {version} of {model} here").format(
            version=repr(version[:80]), model=repr((model or "")[:80])
        )
        return Failure(404, detail)
    if isinstance(error, ModelNotFound):
        _log.error("no model to serve: %s", error)
        return Failure(503, _("no version of the default model is stored yet"))
    for kind, event, status, detail in _TROUBLES:
        if isinstance(error, kind):
            _log.error("%s: %s", event, error)
            return Failure(status, _(detail))
    _log.error("unexpected error, request %s", g.get("request_id", ""), exc_info=_unquoted(error))
    return Failure(500, _("the service failed; the request id finds the cause in its log"))


def _unquoted(error: BaseException) -> BaseException:
    """Return an error of the same name from the same place, whose message quotes no record."""
    kind = type(type(error).__name__, (Exception,), {"__module__": type(error).__module__})
    unquoted: BaseException = kind("its message is left out, since it may quote a record")
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    unquoted.__cause__ = cause and _unquoted(cause)
    return unquoted.with_traceback(error.__traceback__)


def init_app(app: Flask) -> None:
    """Make an application phrase every failure here."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, lambda error: failure_response(_explain_here(error)))


def refuse_records(error: InvalidRecords) -> Response:
    """Answer invalid records where the protocol does not know 422."""
    return failure_response(_explain_here(error)._replace(status=400))


def _explain_here(error: Exception) -> Failure:
    if isinstance(error, InvalidRecords):
        g.problems = error.problems  # they are counted together with the request
    arguments = request.view_args or {}
    return explain(error, model=arguments.get("name"), version=arguments.get("version"))


def _nearest() -> str:
    """Suggest the address without a slash at its end, or the nearest one without parameters."""
    path = request.path.rstrip("/")
    adapter = current_app.url_map.bind("")
    if path != request.path and adapter.allowed_methods(path):
        return _(" (did you mean {path}?)").format(path=repr(path[:200]))
    rules = [rule.rule for rule in current_app.url_map.iter_rules() if not rule.arguments]
    return did_you_mean(request.path, vocabulary(rules))


def _http(error: HTTPException) -> Response:
    if error.code is None or error.response is not None:  # a redirect or a ready answer
        return error.get_response()  # type: ignore[return-value]
    methods = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
    nearest = _nearest() if error.code == 404 else ""
    details = {
        404: _("there is nothing at {path}{nearest}; /docs lists what there is").format(
            path=repr(request.path[:200]), nearest=nearest
        ),
        405: _("{method} is not allowed here; allowed: {methods}").format(
            method=request.method[:20], methods=methods
        ),
        413: _("the body is larger than {max_content_length} bytes").format(
            max_content_length=request.max_content_length
        ),
    }
    detail = details.get(error.code, error.description or "")
    if isinstance(error, ClientDisconnected):
        detail = _("the body ends before its announced length: send the whole of it")
    if isinstance(error, BadHost):
        detail = _("the header Host names no host: send it as `name:port`")
    if isinstance(error, WebsocketMismatch):
        detail = _("no WebSocket is spoken here: leave out the headers Connection and Upgrade")
    response = failure_response(Failure(error.code, detail))
    response.headers |= {"Allow": methods} if error.code == 405 else {}
    return response
