"""How long the steps of an answer took: the header ``Server-Timing``, and spans."""

from flask import Response, g, request

from engine.api.resources import resources, running_job
from engine.serving.timing import Timing


def begin() -> None:
    """Measure the steps in ``g.timing``; where requests are traced, each is a span."""
    options = {}
    if spans := resources().spans:
        options["span"] = spans.span
    running = running_job()
    if note := running.note_progress if running else resources().progress_of(request.environ):
        options["note_progress"] = note
    g.timing = Timing(**options)


def finish(response: Response) -> Response:
    """Add the header, in milliseconds, where the request has ``X-Server-Timing: true``."""
    is_wanted = request.headers.get("X-Server-Timing", "").lower() in ("true", "1")
    if is_wanted and (seconds := g.timing.seconds):
        parts = (f"{name};dur={1000 * taken:.3f}" for name, taken in seconds.items())
        response.headers["Server-Timing"] = ", ".join(parts)
    return response
