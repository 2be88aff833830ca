"""``Idempotency-Key``: a request to predict that is sent again gets the same answer.

As in draft-ietf-httpapi-idempotency-key-header, for every route that predicts.
"""

import logging
import re
from hashlib import sha256

from flask import Response, g, request

from engine.api.errors import Failure, failure_response
from engine.api.middleware.auth import ACCESS
from engine.api.resources import resources
from persistence.idempotency_cache import CacheUnavailable, StoredAnswer

_log = logging.getLogger(__name__)

#: A key, perhaps as a quoted string.
_NAME = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')

#: Longer answers are not stored.
MOST_BYTES = 2**20

#: The headers that are stored with an answer.
_HEADERS = ("Content-Type", "X-Model", "X-Model-Version", "Inference-Header-Content-Length")


def begin() -> Response | None:
    """Answer a request that was answered before; record a new one."""
    g.idempotency = None
    given = request.headers.get("Idempotency-Key")
    if given is None or ACCESS.get(request.endpoint or "") != "predict":
        return None
    name = _NAME.fullmatch(given)
    if not name:
        return _refuse(400, "the Idempotency-Key is not 1 to 255 visible ASCII characters")
    length = request.content_length
    if length is None or length > (request.max_content_length or 0):
        return _refuse(
            400, "a request with an Idempotency-Key needs a Content-Length, "
            f"of at most {request.max_content_length} bytes",
        )  # fmt: skip
    caller = g.key.id if g.key else ""
    try:
        stored = resources().answers.begin(caller, name[1], _digest())
    except CacheUnavailable as error:  # a prediction can be made again
        _log.error("no answer can be stored: %s", error)
        return None
    if stored:
        return _replay(stored)
    g.idempotency = (caller, name[1])
    return None


def store(response: Response) -> Response:
    """Store the answer of a request that `begin` has recorded."""
    if not g.get("idempotency"):
        return response
    caller, name = g.idempotency
    try:
        is_short = response.is_sequence and (response.content_length or 0) <= MOST_BYTES
        if response.status_code >= 500 or not is_short:
            resources().answers.forget(caller, name)
        else:
            headers = {key: response.headers[key] for key in _HEADERS if key in response.headers}
            body, status = response.get_data(), response.status_code
            resources().answers.finish(caller, name, status=status, headers=headers, body=body)
    except CacheUnavailable as error:  # a prediction can be made again
        _log.error("an answer is not stored: %s", error)
    return response


def _replay(stored: StoredAnswer) -> Response:
    if not stored.is_same:
        return _refuse(422, "the Idempotency-Key was used for another request: use a new one")
    if not stored.status:
        detail = "the same request is still being answered: try again as Retry-After says"
        response = _refuse(409, detail)
        response.headers["Retry-After"] = "1"
        return response
    response = Response(stored.body, status=stored.status)
    response.headers.update(stored.headers)
    response.headers["Idempotency-Replayed"] = "true"
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse(status: int, detail: str) -> Response:
    return failure_response(Failure(status, detail))


def _digest() -> bytes:
    """Return a digest of the request: its address, headers and body."""
    parts = (
        request.path, request.query_string.decode("latin-1"), request.headers.get("Content-Type"),
        request.headers.get("Content-Encoding"), request.headers.get("Accept"),
        request.headers.get("Inference-Header-Content-Length"),
    )  # fmt: skip
    return sha256(repr(parts).encode() + request.get_data()).digest()
