"""The id by which a request can be found in the log."""

import random
import re

from flask import Response, g, request

from engine.api.response_head import EVERY_ANSWER

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(given: str) -> str:
    """Return the client's own id where it is plain, else a new one."""
    return given if given and _GIVEN.fullmatch(given) else f"{random.getrandbits(128):032x}"


def name_request() -> None:
    """Put the request's id into ``g.request_id``."""
    g.request_id = request_id(request.headers.get("X-Request-Id", ""))


def finish(response: Response) -> Response:
    """Add the headers that every answer has."""
    response.headers.update({"X-Request-Id": g.request_id, **EVERY_ANSWER})
    return response
