"""The API's pages: Swagger UI from our own files, working offline."""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from engine.api.responses import json_response

#: Only our own files; Swagger UI styles its elements inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

#: What confines every page, whatever it may load.
CONFINED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def blueprint(*, service: str) -> Blueprint:
    """Give the documentation's routes."""
    routes = Blueprint(
        "docs", __name__, static_folder="static", static_url_path="/static",
        template_folder="templates",
    )  # fmt: skip

    @routes.get("/")
    def home() -> AnyResponse:
        """Lead a browser to the documentation; tell a program that the process answers."""
        wishes = request.accept_mimetypes
        is_browser = wishes.quality("text/html") > wishes.quality("application/json")
        answer: AnyResponse = (
            redirect(url_for("docs.page")) if is_browser else json_response({"status": "alive"})
        )
        answer.headers["Vary"] = "Accept"
        return answer

    @routes.get("/docs")
    def page() -> Response:
        """Show the API and let a person try it."""
        return make_response(render_template("docs.html", service=service))

    @routes.after_request
    def confine(answer: Response) -> Response:
        """Let a page do no more than it has to."""
        answer.headers.update({"Content-Security-Policy": _POLICY, **CONFINED})
        return answer

    return routes
