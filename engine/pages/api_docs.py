"""The documentation of the API: Swagger UI from our own files, which works offline."""

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api.public_path import public_path
from engine.api.responses import json_response
from engine.pages.security_headers import security_headers

#: Swagger UI styles its elements inline.
_HEADERS = security_headers(
    "script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)


def blueprint(*, service: str) -> Blueprint:
    """Return the routes of the documentation."""
    routes = Blueprint(
        "docs", __name__, static_folder="static", static_url_path="/static",
        template_folder="templates",
    )  # fmt: skip

    @routes.get("/")
    def home() -> AnyResponse:
        """Lead a browser to the documentation; report to a program that the process answers."""
        accepted = request.accept_mimetypes
        is_browser = accepted.quality("text/html") > accepted.quality("application/json")
        # A relative address stays below a proxy's path that nobody has told us.
        docs = f"{path}/docs" if (path := public_path()) else "docs"
        response: AnyResponse = redirect(docs) if is_browser else json_response({"status": "alive"})
        response.headers["Vary"] = "Accept"
        return response

    @routes.get("/docs")
    def page() -> Response:
        """Show the API and let a person try it."""
        return make_response(render_template("docs.html", service=service))

    @routes.after_request
    def confine(response: Response) -> Response:
        """Let a page do no more than it has to."""
        response.headers.update(_HEADERS)
        return response

    return routes
