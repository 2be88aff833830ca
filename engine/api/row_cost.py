"""What a request costs by its rows: every further thousand counts as a request of the limit."""

from flask import g

from engine.api.resources import resources, running_job
from engine.languages import gettext as _
from engine.records.problems import BadRequest
from engine.serving.request import ROWS_PER_REQUEST


def count_rows(rows: int) -> None:
    """Count more rows of the request in progress; raise `BadRequest` with 429 beyond the limit."""
    before = g.get("rows", 0)
    g.rows = before + rows
    if running := running_job():  # the number of jobs is limited, not their rows
        running.job.rows = g.rows
        return
    requests = _further(g.rows) - _further(before)
    standing = resources().limit.take(g.get("key"), requests) if requests else None
    if standing is None:
        return
    g.standing = standing._replace(used=standing.used + requests - 1)
    if g.standing.is_refused:
        rate = g.standing.rate
        allowed = _("{requests} requests in {seconds} seconds are allowed").format(
            requests=rate.requests, seconds=rate.seconds
        )
        cost = _("each further {rows_per_request} rows count as one").format(
            rows_per_request=ROWS_PER_REQUEST
        )
        raise BadRequest(
            429,
            _("{allowed}, and {cost}: wait as Retry-After says, or send fewer rows at once").format(
                allowed=allowed, cost=cost
            ),
        )


def _further(rows: int) -> int:
    """Return how many requests some rows cost beyond the first."""
    return max(0, rows - 1) // ROWS_PER_REQUEST
