"""The limit of requests: a caller that sends too many gets 429."""

from flask import Response, g, request

from engine.api.errors import Failure, failure_response
from engine.api.middleware.auth import ACCESS
from engine.api.protocols.contract import PUBLIC
from engine.api.resources import resources, running_job
from engine.languages import gettext as _


def count_request() -> Response | None:
    """Count the current request, unless its route needs no key; refuse one too many."""
    is_free = ACCESS.get(request.endpoint or "") == PUBLIC or running_job()  # counted as it came
    g.standing = None if is_free else resources().limit.take(g.key)
    if not g.standing or not g.standing.is_refused:
        return None
    rate = g.standing.rate
    allowed = _("{requests} requests in {seconds} seconds are allowed").format(
        requests=rate.requests, seconds=rate.seconds
    )
    return failure_response(
        Failure(429, _("{allowed}: wait as Retry-After says").format(allowed=allowed))
    )


def show_standing(response: Response) -> Response:
    """Add the headers that report where the caller stands."""
    if g.get("standing"):
        response.headers.update(g.standing.headers())
    return response
