"""A line in the log for each request, whichever way it is answered."""

import logging
import time
from typing import Any

from flask import Response, g, request

from engine.api.resources import resources
from engine.serving.metrics import NONE

_log = logging.getLogger(__name__)


def finish(response: Response) -> Response:
    """Log a request that Flask has answered, if requests are logged."""
    if not resources().logs_requests:
        return response
    version, key = g.get("version"), g.get("key")
    log_request(
        method=request.method[:20],
        route=request.url_rule.rule if request.url_rule else NONE,
        path=request.path[:200],
        status=response.status_code,
        seconds=time.perf_counter() - g.came,
        bytes=response.content_length,
        model=version.name if version else None,
        version=version.version if version else None,
        key=key.name if key else None,
    )
    return response


def log_request(*, seconds: float, **fields: Any) -> None:
    """Write the line of a request; fields that are None are left out."""
    _log.info("request", extra={"fields": {**fields, "seconds": round(seconds, 6)}})
