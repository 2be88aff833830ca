"""The request in progress: its body, and the version that answers it."""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

from flask import g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from engine.api.row_cost import count_rows
from engine.records.inflate import inflate
from engine.records.media_types import TABLES
from engine.records.problems import BadRequest
from engine.records.upload import Upload
from engine.schema.messages import shown
from engine.serving.prediction import Predictor
from engine.serving.request import Chosen, PredictRequest

#: The header in which a client names what it is routed by: the same name, the same version.
CANARY_KEY = "X-Canary-Key"

#: The parameter of a query that stands for the threshold of its model.
THRESHOLD = "threshold"

#: How a number is written in a query; Python itself would take `0_1` and the figures of others.
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+([eE]-?[0-9]+)?")


def choose_version(
    predictor: Predictor, body: bytes | Upload, *, model: str | None = None,
    version: str | None = None,
) -> Chosen:  # fmt: skip
    """Choose the version that answers the request in progress; note it in ``g.version``."""
    chosen = predictor.choose(
        PredictRequest(
            body=body,
            content_type=request.content_type or "",
            request_id=g.request_id,
            model=model,
            version=version,
            key=g.get("key"),
            canary_key=request.headers.get(CANARY_KEY, "").strip(),
            timing=g.timing,
            count_rows=count_rows,
        )
    )
    if (threshold := request.args.get(THRESHOLD)) is not None:
        chosen = _at_threshold(chosen, threshold)
    g.version = chosen.version
    return chosen


def _at_threshold(chosen: Chosen, text: str) -> Chosen:
    """Let a version decide by the threshold of the request; a candidate in silence has its own."""
    version = chosen.version
    if not version.card.get("request_threshold"):
        raise BadRequest(
            400, f"the query has the parameter '{THRESHOLD}', and {version.name} takes none: leave "
            "out what follows ?, or set request_threshold=True in its model file and train it",
        )  # fmt: skip
    threshold = float(text) if _NUMBER.fullmatch(text) else math.nan
    if len(request.args.getlist(THRESHOLD)) > 1 or not 0 < threshold < 1:
        raise BadRequest(
            400, f"{THRESHOLD} is {shown(text)}: send one number between 0 and 1, as 0.3"
        )  # fmt: skip
    return Chosen(chosen.request, version.at_threshold(threshold))


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
        raise BadRequest(400, "the body cannot be read: its chunks are malformed") from error
    length = request.content_length
    if length is not None and len(body) < length:
        raise BadRequest(400, f"the body ends after {len(body)} of {length} bytes")
    # A chunked body is cut off at the limit in silence: see whether there is more.
    is_full = length is None and len(body) == request.max_content_length
    if is_full and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def may_see(model: str) -> bool:
    """Report whether the caller of the request may know of a model."""
    return g.get("key") is None or bool(g.key.may_ask(model))
