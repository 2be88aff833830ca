"""The header ``Server-Timing``, where a request asks for it."""

from flask import Flask, Response, g, request


def init_app(app: Flask) -> None:
    """Tell those who ask how long the parts of their answer took."""
    app.before_request(begin)
    app.after_request(finish)


def begin() -> None:
    """Note whether the request asks for it."""
    if request.headers.get("X-Server-Timing", "").lower() in ("true", "1"):
        g.steps = {}


def finish(answer: Response) -> Response:
    """Add the header, in milliseconds."""
    if steps := g.get("steps"):
        parts = (f"{name};dur={1000 * seconds:.3f}" for name, seconds in steps.items())
        answer.headers["Server-Timing"] = ", ".join(parts)
    return answer
