"""The routes of MLflow's scoring server and of SageMaker's containers."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.http import parse_options_header

from engine.api.errors import Failure, failure_response, refuse_records, sentence
from engine.api.health import not_ready
from engine.api.negotiation import choose_form
from engine.api.protocols.contract import PUBLIC, Protocol, run
from engine.api.protocols.mlflow_json import read_invocation, read_plain_invocation
from engine.api.requests import body_of, choose_version, received
from engine.api.resources import Resources
from engine.api.responses import json_response, respond, version_headers
from engine.api.statuses import status_of
from engine.languages import gettext as _
from engine.records.charsets import as_utf8
from engine.records.csv_header import with_header
from engine.records.media_types import ARROW, CSV, JSON, LINES, PARQUET, TABS, charset_of
from engine.records.npy_reader import NPY, read_npy
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.rows import Records
from engine.records.spool import MOST_IN_MEMORY
from engine.records.strict_json import write_json
from engine.records.upload import Upload
from engine.records.values_writer import ValueLinesWriter, ValuesWriter
from engine.records.writers import LinesWriter, Writer, write_with
from engine.runtime.version import StoredVersion
from engine.serving.prediction import Predictor

#: SageMaker's name for JSON lines.
JSON_LINES = "application/jsonlines"

_WRITERS: Mapping[str, type[Writer]] = {
    JSON: ValuesWriter, CSV: ValueLinesWriter, JSON_LINES: LinesWriter, LINES: LinesWriter
}  # fmt: skip
_KINDS = (JSON, CSV, TABS, JSON_LINES, LINES, PARQUET, ARROW, NPY)

#: What SageMaker sends at once at most, all requests together.
_MOST_MEGABYTES = 100


def _routes(shared: Resources) -> Blueprint:
    """Return the routes; the default model answers."""
    routes = Blueprint("invocations", __name__)

    @routes.get("/ping")
    def ping() -> Response:
        """Report whether the default model answers."""
        if reason := not_ready(shared.models, shared.stopping):
            return failure_response(Failure(404, reason))
        return Response("\n", mimetype=JSON)

    @routes.get("/version")
    def version_text() -> Response:
        """Name the service and its version, which MLflow's client asks for."""
        return Response(f"{shared.service} {shared.version}", mimetype="text/plain")

    @routes.get("/execution-parameters")
    def execution_parameters() -> Response:
        """Describe how batches are to be sent."""
        workers = min(shared.workers, _MOST_MEGABYTES)
        most = max(1, min(_MOST_MEGABYTES // workers, shared.max_table_bytes // 2**20))
        parameters = {"MaxConcurrentTransforms": workers, "BatchStrategy": "MULTI_RECORD"}
        return json_response({**parameters, "MaxPayloadInMB": most})

    @routes.post("/invocations")
    def invocations() -> Response:
        """Predict records, however MLflow's and SageMaker's clients write them."""
        kind, header = _read_kind(request.content_type or JSON)
        body = body_of(kind, shared.max_table_bytes)
        with received(body):
            return _answer(shared.predictor, body, kind, header)

    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def _phrase(failure: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as MLflow does."""
    if failure.status == 415:
        return f"{sentence(failure)}\n".encode(), "text/plain; charset=utf-8"
    code = "INVALID_PARAMETER_VALUE" if failure.problems else status_of(failure.status).mlflow
    return write_json({"error_code": code, "message": sentence(failure)}) + b"\n", JSON


def _read_kind(content_type: str) -> tuple[str, str]:
    """Return the media type of a body, and what it declares about the header of CSV."""
    kind, options = parse_options_header(content_type)
    kind = kind.strip().lower() or JSON
    if kind not in _KINDS:
        raise BadRequest(
            415,
            _("the content type is {kind}: send {kinds}").format(
                kind=repr(kind[:80]), kinds=_(" or ").join(_KINDS)
            ),
        )
    charset_of(content_type)
    options.pop("charset", None)
    header = options.pop("header", "").lower() if kind == CSV else ""
    if header not in ("", "present", "absent"):
        raise BadRequest(
            415, _("header is {header}: say present or absent").format(header=repr(header[:40]))
        )
    if options:
        names = ", ".join(sorted(options))[:80]
        raise BadRequest(
            415,
            _("the content type has the parameter {names}: leave it out").format(names=repr(names)),
        )
    return LINES if kind == JSON_LINES else kind, header


def _answer(predictor: Predictor, body: bytes | Upload, kind: str, header: str) -> Response:
    form = choose_form(request.headers.get("Accept", ""), [*_WRITERS])
    if isinstance(body, Upload):
        chosen = choose_version(predictor, body)
        version = chosen.version
        body = as_utf8(body, charset_of(request.content_type or ""))
        if kind == CSV:
            body = with_header(body, version.schema, header=header)
        spool = predictor.answer_table(chosen, body, kind, _WRITERS[form])
    else:
        version, _, decisions, warnings = run(predictor, body, partial(_read, kind))
        spool = write_with(_WRITERS[form], version, decisions, warnings)
    content_type = f"{CSV}; charset=utf-8" if form == CSV else form
    content = spool if spool.size > MOST_IN_MEMORY else spool.whole()
    return respond(content, content_type, version_headers(version))


def _read(kind: str, body: bytes, version: StoredVersion) -> Records:
    if kind == NPY:
        return read_npy(body, version.schema)
    plain = read_plain_invocation(body, version.schema, version.decoder)
    return plain or read_invocation(body, version.schema)


PROTOCOL = Protocol(
    "invocations", _routes,
    access={
        "ping": PUBLIC, "version_text": PUBLIC, "execution_parameters": PUBLIC,
        "invocations": "predict",
    },
    paths=lambda shared: ["/invocations", "/ping", "/version", "/execution-parameters"],
    phrase=_phrase, description=Path(__file__).with_suffix(".json"),
)  # fmt: skip
