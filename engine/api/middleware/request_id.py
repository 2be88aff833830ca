"""The id that finds a request again in the log."""

import random
import re

from flask import Flask, Response, g, request

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(given: str) -> str:
    """Take the client's own id where it is plain, else make one up."""
    return given if given and _GIVEN.fullmatch(given) else f"{random.getrandbits(128):032x}"


def init_app(app: Flask) -> None:
    """Give every request an id, and put it into every answer."""
    app.before_request(name_request)
    app.after_request(finish)


def name_request() -> None:
    """Keep the request's id in ``g.request_id``."""
    g.request_id = request_id(request.headers.get("X-Request-Id", ""))


def finish(answer: Response) -> Response:
    """Add the headers that every answer bears."""
    answer.headers["X-Request-Id"] = g.request_id
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
