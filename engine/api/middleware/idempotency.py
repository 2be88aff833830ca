"""``Idempotency-Key``: a prediction that is asked again is answered as before.

As in draft-ietf-httpapi-idempotency-key-header, for every route that predicts.
"""

import logging
import re
from hashlib import sha256

from flask import Flask, Response, current_app, g, request

from engine.api.errors import Failure, failure_response
from engine.api.middleware.auth import ACCESS
from persistence.idempotency_cache import CacheUnavailable, IdempotencyCache, Kept

_log = logging.getLogger(__name__)

#: A key, perhaps as a quoted string.
_NAME = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')

#: Longer answers are not kept.
MOST_BYTES = 2**20

#: The headers that are kept with an answer.
_HEADERS = ("Content-Type", "X-Model", "X-Model-Version", "Inference-Header-Content-Length")


def init_app(app: Flask) -> None:
    """Heed the header wherever a prediction is asked."""
    app.extensions["idempotency_cache"] = IdempotencyCache()
    app.before_request(begin)
    app.after_request(keep)


def begin() -> Response | None:
    """Answer a request that was answered before; note a new one."""
    g.to_keep = None
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
    digest = _digest()
    try:
        found = _kept().begin(caller, name[1], digest)
    except CacheUnavailable as error:  # a prediction can be made again
        _log.error("no answer can be kept: %s", error)
        return None
    if found is None:
        g.to_keep = (caller, name[1])
        return None
    return _answer_again(found)


def keep(answer: Response) -> Response:
    """Keep the answer of a request that `begin` has noted."""
    if not g.get("to_keep"):
        return answer
    caller, name = g.to_keep
    try:
        is_short = answer.is_sequence and (answer.content_length or 0) <= MOST_BYTES
        if answer.status_code >= 500 or not is_short:
            _kept().forget(caller, name)
        else:
            headers = {one: answer.headers[one] for one in _HEADERS if one in answer.headers}
            body = answer.get_data()
            _kept().finish(caller, name, status=answer.status_code, headers=headers, body=body)
    except CacheUnavailable as error:  # a prediction can be made again
        _log.error("an answer is not kept: %s", error)
    return answer


def _answer_again(found: Kept) -> Response:
    if not found.is_same:
        return _refuse(422, "the Idempotency-Key was used for another request: use a new one")
    if not found.status:
        answer = _refuse(409, "the same request is being answered: ask again, as Retry-After says")
        answer.headers["Retry-After"] = "1"
        return answer
    answer = Response(found.body, status=found.status)
    answer.headers.update(found.headers)
    answer.headers["Idempotency-Replayed"] = "true"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _refuse(status: int, detail: str) -> Response:
    return failure_response(Failure(status, detail))


def _digest() -> bytes:
    """Tell requests apart: what is asked, in which form, and how the answer is wanted."""
    parts = (
        request.path, request.query_string.decode("latin-1"), request.headers.get("Content-Type"),
        request.headers.get("Content-Encoding"), request.headers.get("Accept"),
        request.headers.get("Inference-Header-Content-Length"),
    )  # fmt: skip
    return sha256(repr(parts).encode() + request.get_data()).digest()


def _kept() -> IdempotencyCache:
    found: IdempotencyCache = current_app.extensions["idempotency_cache"]
    return found
