"""Which pages of other origins may send requests from a browser; none by default."""

import re

from flask import Response, request

from engine.api.resources import resources

#: An origin as browsers send it: no path, no slash at the end.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}")

_SENT = (
    "Authorization, Content-Type, Idempotency-Key, Prefer, token, traceparent, Webhook, x-api-key, "
    "X-Canary-Key, X-Request-Id"
)
_SHOWN = (
    "Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Model, "
    "X-Model-Version, X-Prediction-Id, X-Prediction-Log, X-Request-Id"
)


def read_origins(text: str) -> frozenset[str]:
    """Parse origins, separated by commas; raise `ValueError` if one is not an origin."""
    origins = frozenset(filter(None, map(str.strip, text.split(","))))
    for origin in sorted(origins):
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is not an origin: write it as https://example.com")
    return origins


def answer_preflight() -> Response | None:
    """Answer the request by which a browser checks what a page may send."""
    is_preflight = "Access-Control-Request-Method" in request.headers
    if request.method != "OPTIONS" or not is_preflight or not _is_allowed():
        return None
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
    response.headers["Access-Control-Allow-Headers"] = _SENT
    response.headers["Access-Control-Max-Age"] = "600"
    return response


def allow_origin(response: Response) -> Response:
    """Let a page of an allowed origin read the answer."""
    if resources().origins:
        response.vary.add("Origin")
    response.headers.update(allowed(request.headers.get("Origin"), resources().origins))
    return response


def allowed(origin: str | None, origins: frozenset[str]) -> dict[str, str]:
    """Return the headers by which a page of an origin may read an answer; none if it may not."""
    if origin not in origins:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _SHOWN}


def _is_allowed() -> bool:
    return request.headers.get("Origin") in resources().origins
