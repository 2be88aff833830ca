"""The documentation of the API: Swagger UI from our own files, which works offline."""

from flask import Blueprint, Response, make_response, render_template

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
