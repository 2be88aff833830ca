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
from engine.languages import gettext as _
from persistence.idempotency_cache import CacheUnavailable, StoredAnswer

_log = logging.getLogger(__name__)

#: A key as RFC 9651 writes a string, and as most clients do: without quotes. Then it has no
#: comma or semicolon, so that neither a list nor a parameter passes for a part of the key.
_NAME = re.compile(
    r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"'
    r"|([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255})"
)

#: Longer answers are not stored.
MOST_BYTES = 2**20

#: The headers that are stored with an answer.
HEADERS = (
    "Content-Type", "Content-Language", "X-Model", "X-Model-Version", "X-Prediction-Id",
    "X-Prediction-Log", "Inference-Header-Content-Length", "Location", "Preference-Applied",
)  # fmt: skip


def begin() -> Response | None:
    """Answer a request that was answered before; record a new one."""
    g.idempotency = None
    given = request.headers.get("Idempotency-Key")
    if given is None or ACCESS.get(request.endpoint or "") != "predict":
        return None
    match = _NAME.fullmatch(given)
    if not match:
        detail = _(
            "the Idempotency-Key is neither a quoted string of 1 to 255 ASCII characters nor "
            'as many visible ones without ", \\, comma and semicolon: send one such as '
            '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
        )
        return _refuse(400, detail)
    name = match[2] or re.sub(r"\\(.)", r"\1", match[1])
    length = request.content_length
    if length is None or length > (request.max_content_length or 0):
        detail = _(
            "a request with an Idempotency-Key needs a Content-Length, of at most {most} bytes"
        )
        return _refuse(400, detail.format(most=request.max_content_length))
    caller, digest = g.key.id if g.key else "", _digest()
    try:
        stored = resources().answers.begin(caller, name, digest)
    except CacheUnavailable as error:  # a prediction can be made again
        _log.error("no answer can be stored: %s", error)
        return None
    if stored:
        return _replay(stored)
    g.idempotency = (caller, name, digest)
    return None


def store(response: Response) -> Response:
    """Store the answer of a request that `begin` has recorded.

    Neither a long one nor one that says to try again: 5xx and 429.
    """
    status = response.status_code
    is_short = response.is_sequence and (response.content_length or 0) <= MOST_BYTES
    if not g.get("idempotency") or status >= 500 or status == 429 or not is_short:
        return response
    headers = {key: response.headers[key] for key in HEADERS if key in response.headers}
    body = response.get_data()
    try:
        resources().answers.finish(*g.idempotency, status=status, headers=headers, body=body)
    except CacheUnavailable as error:  # a prediction can be made again
        _log.error("an answer is not stored: %s", error)
    return response


def end(_: BaseException | None) -> None:
    """Let a request whose answer was not stored be new when it is sent again."""
    if g.get("idempotency"):
        caller, name, _digest = g.idempotency
        resources().answers.forget(caller, name)


def _replay(stored: StoredAnswer) -> Response:
    if not stored.is_same:
        return _refuse(422, _("the Idempotency-Key was used for another request: use a new one"))
    if not stored.status:
        detail = _("the same request is still being answered: try again as Retry-After says")
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
        request.headers.get("Inference-Header-Content-Length"), request.headers.get("Prefer"),
        request.headers.get("Webhook"),
    )  # fmt: skip
    return sha256(repr(parts).encode() + request.get_data()).digest()
