"""What is counted and logged of each request."""

import logging
import time
from typing import Any

from flask import Response, g, request

from engine.api.resources import resources
from engine.serving.metrics import NONE, OTHER

_log = logging.getLogger(__name__)

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def start() -> None:
    """Note in ``g.came`` when Flask received the request."""
    g.came = time.perf_counter()


def finish(response: Response) -> Response:
    """Count the request, and what was wrong with it; log it if requests are logged."""
    shared, seconds = resources(), time.perf_counter() - g.came
    route = request.url_rule.rule if request.url_rule else NONE
    status, version, key = response.status_code, g.get("version"), g.get("key")
    method = method_name(request.method)
    if shared.logs_requests:
        log_request(
            method=method,
            route=route,
            status=status,
            seconds=seconds,
            bytes=response.content_length,
            model=version.name if version else None,
            version=version.version if version else None,
            key=key.name if key else None,
        )
    shared.metrics.count_requests(route, method, status, seconds=seconds)
    if version and (problems := g.get("problems")):
        shared.metrics.count_invalid(version, problems)
    if version and status >= 500:
        shared.metrics.count_error(version)
    if status >= 400:
        shared.metrics.count_rejection(status)
    return response


def method_name(method: str) -> str:
    """Return a method of HTTP as it is; one that a client makes up is never logged."""
    return method if method in _METHODS else OTHER


def log_request(*, seconds: float, **fields: Any) -> None:
    """Write the line of a request; fields that are None are left out."""
    _log.info("request", extra={"fields": {**fields, "seconds": round(seconds, 6)}})
