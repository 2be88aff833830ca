"""The API's pages: Swagger UI from our own files, working offline."""

from flask import Blueprint, Response, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

#: Only our own files; Swagger UI styles its elements inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def blueprint(*, service: str) -> Blueprint:
    """Give the documentation's routes."""
    routes = Blueprint(
        "docs", __name__, static_folder="static", static_url_path="/static",
        template_folder="templates",
    )  # fmt: skip

    @routes.get("/")
    def home() -> AnyResponse:
        """Lead to the documentation."""
        return redirect(url_for("docs.page"))

    @routes.get("/docs")
    def page() -> Response:
        """Show the API and let a person try it."""
        answer = make_response(render_template("docs.html", service=service))
        answer.headers["Content-Security-Policy"] = _POLICY
        return answer

    return routes
