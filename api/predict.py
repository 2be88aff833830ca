"""The routes that predict."""

import io

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.asked import Answer, asked_here
from api.body import TABLES
from api.errors import BadRequest
from api.loaded import LoadedModels
from api.prediction import answer
from api.steps import step
from api.upload import Upload


def blueprint(models: LoadedModels, *, max_table_bytes: int) -> Blueprint:
    """Give the routes that predict.

    Parameters
    ----------
    max_table_bytes : int
        How long a table may be; other bodies are held to Flask's own limit.
    """
    routes = Blueprint("predict", __name__)

    @routes.post("/v0/predict", defaults={"name": None, "version": None})
    @routes.post("/v0/models/<name>/predict", defaults={"version": None})
    @routes.post("/v0/models/<name>/versions/<version>/predict")
    @routes.post("/inference/<name>", defaults={"version": None})
    def predict(name: str | None, version: str | None) -> Response:
        """Predict one record or many."""
        with step("read"):
            body = body_of(_kind(), max_table_bytes)
        return respond(answer(models, asked_here(body, model=name, version=version)))

    return routes


def respond(found: Answer) -> Response:
    """Send an answer."""
    body = found.spool or found.body
    response = Response(body, status=found.status, content_type=found.content_type)
    response.headers.update(found.headers)
    if found.spool:
        response.content_length = found.spool.size
    if found.status == 200:
        response.headers["Cache-Control"] = "no-store"
    return response


def _kind() -> str:
    return (request.content_type or "").partition(";")[0].strip().lower()


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
