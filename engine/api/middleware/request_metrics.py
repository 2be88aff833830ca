"""The hooks that count every request that Flask answers."""

import time

from flask import Response, g, request

from engine.api.resources import resources
from engine.serving.metrics import NONE, OTHER

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def start() -> None:
    """Note in ``g.came`` when Flask received the request."""
    g.came = time.perf_counter()


def finish(response: Response) -> Response:
    """Count the request, and what was wrong with it."""
    metrics = resources().metrics
    route = request.url_rule.rule if request.url_rule else NONE
    method = request.method if request.method in _METHODS else OTHER
    status, version = response.status_code, g.get("version")
    metrics.count_requests(route, method, status, seconds=time.perf_counter() - g.came)
    if version and (problems := g.get("problems")):
        metrics.count_invalid(version, problems)
    if version and status >= 500:
        metrics.count_error(version)
    if status >= 400:
        metrics.count_rejection(status)
    return response
