"""What a Flask request asks, and its body."""

import io

from flask import g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from engine.records.media_types import TABLES
from engine.records.problems import BadRequest
from engine.records.upload import Upload
from engine.serving.candidates import HEADER
from engine.serving.request import PredictRequest


def asked_here(
    body: bytes | Upload, *, model: str | None = None, version: str | None = None
) -> PredictRequest:
    """Give the request that Flask has at hand."""
    return PredictRequest(
        body=body,
        content_type=request.content_type or "",
        content_encoding=request.headers.get("Content-Encoding", ""),
        request_id=g.request_id,
        model=model,
        version=version,
        accept=request.headers.get("Accept", ""),
        key=g.get("key"),
        canary_key=request.headers.get(HEADER, "").strip(),
    )


def body_of(kind: str, max_table_bytes: int) -> bytes | Upload:
    """Give the request's body whole, but a table that is large, or may be, as it comes.

    Parameters
    ----------
    kind : str
        Its media type.
    """
    if kind not in TABLES:
        return whole_body()
    length = request.content_length
    if length is not None and length <= (request.max_content_length or 0):
        return Upload(io.BytesIO(whole_body()), length=length, most=max_table_bytes)
    if length is None and "wsgi.input_terminated" not in request.environ:
        length = 0  # nobody knows where such a body ends
    return Upload(request.environ["wsgi.input"], length=length, most=max_table_bytes)


def whole_body() -> bytes:
    """Give the request's body whole.

    Raises
    ------
    BadRequest
        400 for one that ends early or whose chunks are malformed.
    RequestEntityTooLarge
        When it is longer than Flask allows.
    """
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
