"""A failure as a page, for a browser."""

from engine.api.errors import Failure, Phrased
from engine.languages import gettext as _
from engine.languages import mark
from engine.pages.layout import CONTENT_TYPE, HEADERS, render
from engine.records.problems import PROBLEMS_LISTED

_HEADINGS = {
    401: mark("Sign in"), 403: mark("Not allowed"), 404: mark("Not found"),
    405: mark("Not allowed here"), 429: mark("Too many requests"),
    503: mark("Not available now"), 504: mark("No answer in time"),
}  # fmt: skip


def failure_page(
    failure: Failure, request_id: str, *, service: str, path: str = "/models/"
) -> Phrased:
    """Return the page that says why a request to a path failed."""
    heading = _(_HEADINGS.get(failure.status, mark("Something is wrong")))
    listed = failure._replace(problems=failure.problems[:PROBLEMS_LISTED])
    page = render(
        "failure.html", service=service, path=path, failure=listed, heading=heading,
        request_id=request_id, after=path.strip("/"), problem="",
    )  # fmt: skip
    return Phrased(page.encode(), CONTENT_TYPE, HEADERS)
