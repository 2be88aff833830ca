"""The request in progress: its body, and the version that answers it."""

import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from flask import g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from engine.api.resources import running_job
from engine.api.row_cost import count_rows
from engine.languages import gettext as _
from engine.languages import mark
from engine.records.inflate import inflate
from engine.records.media_types import TABLES
from engine.records.problems import BadRequest
from engine.records.upload import Upload
from engine.runtime.coverage import NoCoverage
from engine.runtime.version import StoredVersion
from engine.schema.messages import shown
from engine.serving.prediction import Predictor
from engine.serving.request import Chosen, Options, PredictRequest

#: The header in which a client names what it is routed by: the same name, the same version.
CANARY_KEY = "X-Canary-Key"

#: How a number is written in a query; Python itself would take `0_1` and the figures of others.
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?")


class Parameter(NamedTuple):
    """A parameter of the query, which bears the name of one of the options."""

    read: Callable[[str], Any]  # returns None for a text that is no value
    remedy: str
    why_not: Callable[[StoredVersion], str]  # returns why a version takes none; empty if it does


def _share(text: str) -> float | None:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return number if 0 < number < 1 else None


def _no_threshold(version: StoredVersion) -> str:
    remedy = _("or set request_threshold=True in its model file and train it")
    return "" if version.card.get("request_threshold") else remedy


def no_explanation(version: StoredVersion) -> str:
    """Return why a version explains no answers; empty when it does."""
    if version.card["classes"] is not None and not version.card["has_probabilities"]:
        return _("since it has no probabilities to explain")
    remedy = _("or train it again, since this version has no typical record to compare with")
    return remedy if version.reference is None else ""


def _no_coverage(version: StoredVersion) -> str:
    limits = version.card.get("uncertainty", {}).get("limits")
    return "" if limits else _("or train it again, since this version has no calibration")


#: What the query of a request to predict may have, by name.
PARAMETERS = {
    "threshold": Parameter(_share, mark("send one number between 0 and 1, as 0.3"), _no_threshold),
    "explain": Parameter(
        {"true": True, "false": False}.get, mark("send true or false"), no_explanation
    ),
    "coverage": Parameter(_share, mark("send one number between 0 and 1, as 0.9"), _no_coverage),
}


def choose_version(
    predictor: Predictor, body: bytes | Upload, *, model: str | None = None,
    version: str | None = None, is_alias: bool = False,
) -> Chosen:  # fmt: skip
    """Choose the version that answers the request in progress; note it in ``g``."""
    running = running_job()
    if running and version is None:
        version = running.job.request.get("version") or None
    g.predict_request = PredictRequest(
        body=body,
        content_type=request.content_type or "",
        request_id=g.request_id,
        model=model,
        version=version,
        key=g.get("key"),
        canary_key=request.headers.get(CANARY_KEY, "").strip(),
        timing=g.timing,
        count_rows=count_rows,
        came=g.came,
        is_alias=is_alias,
        log_id=running.job.id if running else "",
    )
    chosen = predictor.choose(g.predict_request)
    if running:
        running.keep_version(chosen.version.version)
    if request.query_string:
        options = _read_options(chosen.version)
        shadow, answering = chosen.shadow, chosen.version
        if options.threshold is not None:  # a candidate in silence has its own
            shadow, answering = None, answering.at_threshold(options.threshold)
        if options.coverage is not None:
            answering = _at_coverage(answering, options.coverage)
        chosen = Chosen(chosen.request, answering, shadow, options)
    g.version = chosen.version
    return chosen


def _at_coverage(version: StoredVersion, coverage: float) -> StoredVersion:
    try:
        return version.at_coverage(coverage)
    except NoCoverage as reason:
        raise BadRequest(
            400, _("coverage is {coverage:g}: {reason}").format(coverage=coverage, reason=reason)
        ) from reason


def _read_options(version: StoredVersion) -> Options:
    """Read the options in the query; raise `BadRequest` with all that is wrong with them."""
    options: dict[str, Any] = {}
    problems = []
    for name, parameter in PARAMETERS.items():
        if not (texts := request.args.getlist(name)):
            continue
        value = parameter.read(texts[0]) if len(texts) == 1 else None
        if reason := parameter.why_not(version):
            problems.append(
                _(
                    "the query has the parameter '{name}', and {model} takes none: leave it out, "
                    "{reason}"
                ).format(name=name, model=version.name, reason=reason)
            )
        elif value is None:
            problems.append(
                _("{name} is {texts}: {remedy}").format(
                    name=name, texts=shown(texts[0]), remedy=_(parameter.remedy)
                )
            )
        options[name] = value
    if problems:
        raise BadRequest(400, "; ".join(problems))
    return Options(**options)


@contextmanager
def received(body: bytes | Upload) -> Iterator[None]:
    """Read a body to its end when its answer fails, so that the client sees the failure.

    A client that sends everything before it reads would miss it otherwise.
    """
    try:
        yield
    except Exception:
        if isinstance(body, Upload):
            body.drain()
        raise


def body_of(kind: str, max_table_bytes: int) -> bytes | Upload:
    """Return the body of a media type whole, but a table that may be large as it arrives."""
    if kind not in TABLES:
        return whole_body()
    length = request.content_length
    stream = request.environ["wsgi.input"]
    if length is not None and length <= (request.max_content_length or 0):
        stream = io.BytesIO(_whole_as_sent())
    elif length is None and "wsgi.input_terminated" not in request.environ:
        length = 0  # nobody knows where such a body ends
    upload = Upload(stream, length=length, most=max_table_bytes)
    return inflate(upload, request.headers.get("Content-Encoding", ""), max_table_bytes)


def whole_body() -> bytes:
    """Return the request's body whole, inflated where it is compressed.

    Raise `BadRequest` if it ends early, its chunks are malformed or it cannot be inflated,
    and `RequestEntityTooLarge` if it is longer than Flask allows.
    """
    upload = Upload.of(_whole_as_sent())
    encoding = request.headers.get("Content-Encoding", "")
    return inflate(upload, encoding, request.max_content_length or 0).read_whole()


def _whole_as_sent() -> bytes:
    try:
        body = request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # servers raise their own for broken chunks
        raise BadRequest(400, _("the body cannot be read: its chunks are malformed")) from error
    length = request.content_length
    if length is not None and len(body) < length:
        raise BadRequest(
            400,
            _("the body ends after {body} of {length} bytes").format(body=len(body), length=length),
        )
    # A chunked body is cut off at the limit in silence: see whether there is more.
    is_full = length is None and len(body) == request.max_content_length
    if is_full and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def may_see(model: str) -> bool:
    """Report whether the caller of the request may know of a model."""
    return g.get("key") is None or bool(g.key.may_ask(model))
