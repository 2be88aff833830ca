"""How long the steps of an answer took: the header ``Server-Timing``, and spans."""

from flask import Flask, Response, current_app, g, request

from engine.serving.timing import Timing


def init_app(app: Flask) -> None:
    """Measure the steps of every answer, and show them to whoever wants them."""
    app.before_request(begin)
    app.after_request(finish)


def begin() -> None:
    """Measure the steps in ``g.timing``; where requests are traced, each is a span."""
    options = {}
    if spans := current_app.extensions.get("spans"):
        options["span"] = spans.span
    if note := getattr(request.environ.get("gunicorn.socket"), "note_progress", None):
        options["note_progress"] = note
    g.timing = Timing(**options)


def finish(response: Response) -> Response:
    """Add the header, in milliseconds, where the request has ``X-Server-Timing: true``."""
    is_wanted = request.headers.get("X-Server-Timing", "").lower() in ("true", "1")
    if is_wanted and (seconds := g.timing.seconds):
        parts = (f"{name};dur={1000 * taken:.3f}" for name, taken in seconds.items())
        response.headers["Server-Timing"] = ", ".join(parts)
    return response
