"""Signing in: a person sends an API key once, and the browser keeps a session in its place."""

import re
from functools import partial

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api import session
from engine.api.middleware.auth import form_values, unknown_caller
from engine.api.resources import Resources
from engine.languages import gettext as _
from engine.pages.layout import CONTENT_TYPE, confine, refuse_foreign_forms, render

#: Where a person may be led after signing in: a page of this service.
_PAGE = re.compile(
    r"(models(/[a-z][a-z0-9_-]*)*|docs(/[a-z][a-z0-9_-]*)?|sign-in"
    r"|v0/models(/(?!\.+(/|$))[A-Za-z0-9_.-]+)*)?"
    r"(\?[\x21-\x7e]{0,2000})?"
)


def blueprint(shared: Resources) -> Blueprint:
    """Return the routes that begin and end a session."""
    routes = Blueprint("sign_in", __name__)

    def page(after: str, problem: str = "", status: int = 401) -> Response:
        text = render(
            "sign_in.html", service=shared.service, path=request.path, after=after,
            problem=problem, need_keys=shared.callers.need_keys,
        )  # fmt: skip
        return Response(text, status=status if problem else 200, content_type=CONTENT_TYPE)

    @routes.get("/sign-in")
    def show() -> Response:
        """Ask for a key."""
        return page(page_after(request.args.get("after", "")))

    @routes.post("/sign-in")
    def begin() -> AnyResponse:
        """Begin the session of a key."""
        form = form_values()
        after, text = page_after(form.get("after", "")), form.get("key", "").strip()
        key = shared.callers.find(text) if text else None
        if key is None:
            empty = _("there is no key in the form: paste one")
            return page(after, unknown_caller(text)) if text else page(after, empty, 422)
        response = redirect(after, 303)
        session.begin(response, session.sign(shared.callers, key))
        return response

    @routes.post("/sign-out")
    def end() -> AnyResponse:
        """End a session in this browser."""
        response = redirect("sign-in", 303)
        session.begin(response, "")
        return response

    routes.before_request(partial(refuse_foreign_forms, "/sign-in"))
    routes.after_request(confine)
    return routes


def page_after(text: str) -> str:
    """Return the address of a page of this service as a form names it; the models by default."""
    return text if text and _PAGE.fullmatch(text) else "models"
