"""The routes of MLflow's scoring server and of SageMaker's containers."""

from collections.abc import Mapping
from threading import Event
from types import MappingProxyType

from flask import Blueprint, Response, request
from werkzeug.http import parse_options_header

from engine.api.errors import Failure, failure_response, refuse_records, sentence
from engine.api.health import not_ready
from engine.api.negotiation import wished_form
from engine.api.protocols.mlflow_json import read_invocation
from engine.api.requests import body_of, choose_version, received
from engine.api.responses import json_response, respond, version_headers
from engine.api.statuses import status_of
from engine.records.csv_header import with_header
from engine.records.csv_reader import PANDAS_FLAGS
from engine.records.media_types import ARROW, CSV, JSON, LINES, PARQUET, TABLES
from engine.records.npy_reader import NPY, read_npy
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.spool import MOST_IN_MEMORY, Spool
from engine.records.strict_json import write_json
from engine.records.upload import Upload
from engine.records.values_writer import ValueLinesWriter, ValuesWriter
from engine.records.writers import LinesWriter, Writer
from engine.serving.prediction import Predictor
from engine.serving.request import Chosen

#: SageMaker's name for JSON lines.
JSON_LINES = "application/jsonlines"

_WRITERS: Mapping[str, type[Writer]] = MappingProxyType(
    {JSON: ValuesWriter, CSV: ValueLinesWriter, JSON_LINES: LinesWriter, LINES: LinesWriter}
)
_KINDS = (JSON, CSV, JSON_LINES, LINES, PARQUET, ARROW, NPY)

#: What SageMaker sends at once at most, all requests together.
_MOST_MEGABYTES = 100


def blueprint(
    predictor: Predictor, stopping: Event, *, version: str, max_table_bytes: int, workers: int
) -> Blueprint:
    """Give the routes; all ask the default model.

    Parameters
    ----------
    version : str
        The service's own, which MLflow's client asks for.
    workers : int
        How many batches may be asked for at the same time.
    """
    routes = Blueprint("invocations", __name__)

    @routes.get("/ping")
    def ping() -> Response:
        """Say whether the default model answers."""
        if reason := not_ready(predictor.models, stopping):
            return failure_response(Failure(404, reason))
        return Response("\n", mimetype=JSON)

    @routes.get("/version")
    def version_text() -> Response:
        """Say which version of the service answers."""
        return Response(version, mimetype="text/plain")

    @routes.get("/execution-parameters")
    def execution_parameters() -> Response:
        """Say how batches are to be sent."""
        most = min(_MOST_MEGABYTES // min(workers, _MOST_MEGABYTES), max_table_bytes // 2**20)
        return json_response(
            {
                "MaxConcurrentTransforms": min(workers, _MOST_MEGABYTES),
                "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": max(1, most),
            }
        )

    @routes.post("/invocations")
    def invocations() -> Response:
        """Predict records, however MLflow's and SageMaker's clients write them."""
        kind, header = _read_kind(request.content_type or JSON)
        body = body_of(LINES if kind == JSON_LINES else kind, max_table_bytes)
        with received(body):
            return _invoke(predictor, body, kind, header)

    routes.register_error_handler(InvalidRecords, refuse_records)
    return routes


def phrase(found: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as MLflow has it."""
    if found.status == 415:
        return f"{sentence(found)}\n".encode(), "text/plain; charset=utf-8"
    code = "INVALID_PARAMETER_VALUE" if found.problems else status_of(found.status).mlflow
    return write_json({"error_code": code, "message": sentence(found)}) + b"\n", JSON


def _read_kind(content_type: str) -> tuple[str, str]:
    """Give the media type of a body, and what is said of the header of CSV."""
    kind, options = parse_options_header(content_type)
    kind = kind.strip().lower() or JSON
    if kind not in _KINDS:
        raise BadRequest(415, f"the content type is {kind[:80]!r}: send {' or '.join(_KINDS)}")
    charset = options.pop("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8"):
        raise BadRequest(415, f"the charset is {charset[:40]!r}: send utf-8")
    header = options.pop("header", "").lower() if kind == CSV else ""
    if header not in ("", "present", "absent"):
        raise BadRequest(415, f"header is {header[:40]!r}: say present or absent")
    if options:
        version_headers = ", ".join(sorted(options))[:80]
        raise BadRequest(
            415, f"the content type has the parameter {version_headers!r}: leave it out"
        )
    return kind, header


def _invoke(predictor: Predictor, body: bytes | Upload, kind: str, header: str) -> Response:
    if request.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise BadRequest(415, "the body is compressed: send it plain")
    form = wished_form(request.headers.get("Accept", ""), [*_WRITERS])
    chosen = choose_version(predictor, body)
    spool = _predict(predictor, chosen, kind, header, _WRITERS[form])
    content_type = f"{CSV}; charset=utf-8" if form == CSV else form
    content = spool if spool.size > MOST_IN_MEMORY else spool.whole()
    return respond(content, content_type, version_headers(chosen.version))


def _predict(
    predictor: Predictor, chosen: Chosen, kind: str, header: str, writer: type[Writer]
) -> Spool:
    version, body = chosen.version, chosen.request.body
    kind = LINES if kind == JSON_LINES else kind
    if kind in TABLES:
        upload = body if isinstance(body, Upload) else Upload.of(body)
        if kind == CSV:
            upload = with_header(upload, version.schema, header=header)
        return predictor.answer_table(chosen, upload, kind, writer, flags=PANDAS_FLAGS)
    assert isinstance(body, bytes)
    read = read_npy if kind == NPY else read_invocation
    decisions, warnings = predictor.decide_records(chosen, read(body, version.schema))
    spool = Spool(2**31, what="the answer")
    written = writer(version, spool)
    written.add(decisions, warnings)
    written.finish()
    return spool
