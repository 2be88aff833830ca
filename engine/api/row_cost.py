"""What a request costs by its rows: every further thousand counts as a request of the limit."""

from flask import g

from engine.api.resources import resources
from engine.records.problems import BadRequest
from engine.serving.request import ROWS_PER_REQUEST


def count_rows(rows: int) -> None:
    """Count more rows of the request in progress; raise `BadRequest` with 429 beyond the limit."""
    before = g.get("rows", 0)
    g.rows = before + rows
    requests = _further(g.rows) - _further(before)
    standing = resources().limit.take(g.get("key"), requests) if requests else None
    if standing is None:
        return
    g.standing = standing.after(requests - 1)
    if g.standing.is_refused:
        rate = g.standing.rate
        allowed = f"{rate.requests} requests in {rate.seconds} seconds are allowed"
        cost = f"each further {ROWS_PER_REQUEST} rows count as one"
        raise BadRequest(
            429, f"{allowed}, and {cost}: wait as Retry-After says, or send fewer rows at once"
        )


def _further(rows: int) -> int:
    """Return how many requests some rows cost beyond the first."""
    return max(0, rows - 1) // ROWS_PER_REQUEST
