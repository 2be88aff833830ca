"""The limit of requests: a caller that sends too many gets 429."""

from flask import Flask, Response, current_app, g, request

from engine.api.errors import Failure, failure_response
from engine.api.middleware.auth import ACCESS
from engine.api.protocols.contract import PUBLIC
from engine.api.rate_counts import RateLimit


def init_app(app: Flask, limit: RateLimit) -> None:
    """Limit the requests of callers, after their keys have been checked."""
    app.extensions["rate_limit"] = limit
    app.before_request(count_request)
    app.after_request(show_standing)


def count_request() -> Response | None:
    """Count the current request, unless its route needs no key; refuse one too many."""
    g.standing = None
    if ACCESS.get(request.endpoint or "") == PUBLIC:
        return None
    limit: RateLimit = current_app.extensions["rate_limit"]
    standings = limit.take(g.key)
    if standings is None:
        return None
    (g.standing,) = standings
    if not g.standing.is_refused:
        return None
    rate = g.standing.rate
    allowed = f"{rate.requests} requests in {rate.seconds} seconds are allowed"
    return failure_response(Failure(429, f"{allowed}: wait as Retry-After says"))


def show_standing(response: Response) -> Response:
    """Add the headers that report where the caller stands."""
    if g.get("standing"):
        response.headers.update(g.standing.headers())
    return response
