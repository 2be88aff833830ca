"""Which pages of other origins may ask, from a browser; none by default."""

import re

from flask import Flask, Response, current_app, request

#: An origin as browsers send it: no path, no slash at the end.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}")

_SENT = (
    "Authorization, Content-Type, Idempotency-Key, token, traceparent, x-api-key, X-Canary-Key, "
    "X-Request-Id"
)
_SHOWN = "RateLimit, RateLimit-Policy, Retry-After, X-Model, X-Model-Version, X-Request-Id"


def read_origins(text: str) -> frozenset[str]:
    """Read origins, with commas between.

    Raises
    ------
    ValueError
        Naming what is no origin.
    """
    origins = [one.strip() for one in text.split(",") if one.strip()]
    for one in origins:
        if not _ORIGIN.fullmatch(one):
            raise ValueError(f"{one!r} is no origin: write it as https://example.com")
    return frozenset(origins)


def init_app(app: Flask, origins: frozenset[str]) -> None:
    """Let pages of these origins ask, before anything looks for a key."""
    app.extensions["origins"] = origins
    app.before_request(answer_preflight)
    app.after_request(allow_origin)


def answer_preflight() -> Response | None:
    """Tell a browser what a page may send, before it does."""
    is_preflight = "Access-Control-Request-Method" in request.headers
    if request.method != "OPTIONS" or not is_preflight or not _is_allowed():
        return None
    answer = Response(status=204)
    answer.headers["Access-Control-Allow-Methods"] = "GET, POST"
    answer.headers["Access-Control-Allow-Headers"] = _SENT
    answer.headers["Access-Control-Max-Age"] = "600"
    return answer


def allow_origin(answer: Response) -> Response:
    """Let a page of an origin that is allowed read the answer."""
    if current_app.extensions["origins"]:
        answer.vary.add("Origin")
    if _is_allowed():
        answer.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        answer.headers["Access-Control-Expose-Headers"] = _SHOWN
    return answer


def _is_allowed() -> bool:
    return request.headers.get("Origin") in current_app.extensions["origins"]
