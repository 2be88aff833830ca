"""A line in the log for each request, whichever way it is answered."""

import logging
import time
from typing import Any

from flask import Flask, Response, g, request

from engine.serving.metrics import NONE

_log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Log every request that Flask answers."""
    app.after_request(finish)


def finish(answer: Response) -> Response:
    """Log a request that is answered."""
    version, key = g.get("version"), g.get("key")
    log_request(
        method=request.method[:20],
        route=request.url_rule.rule if request.url_rule else NONE,
        path=request.path[:200],
        status=answer.status_code,
        seconds=time.perf_counter() - g.came,
        bytes=answer.content_length,
        model=version.name if version else None,
        version=version.version if version else None,
        key=key.name if key else None,
    )
    return answer


def log_request(*, seconds: float, **fields: Any) -> None:
    """Write the line of a request; what is None is left out."""
    _log.info("request", extra={"fields": {**fields, "seconds": round(seconds, 6)}})
