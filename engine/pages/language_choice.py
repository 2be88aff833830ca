"""The choice of a language: a form at the foot of every page, which works without script."""

from flask import Blueprint, abort, redirect
from werkzeug.wrappers import Response as AnyResponse

from engine.api import session
from engine.api.middleware.auth import form_values
from engine.api.middleware.language import COOKIE
from engine.languages import LANGUAGES
from engine.languages import gettext as _
from engine.pages.layout import confine, refuse_foreign_forms
from engine.pages.sign_in import page_after

#: How long a browser keeps the choice: a year.
_SECONDS = 365 * 24 * 3600


def blueprint() -> Blueprint:
    """Return the route that takes the choice."""
    routes = Blueprint("language", __name__)

    @routes.post("/language")
    def choose() -> AnyResponse:
        """Keep a person's choice in a cookie, and lead back to the page."""
        form = form_values()
        tag = form.get("language", "")
        if tag not in LANGUAGES:
            listed = ", ".join(LANGUAGES)
            abort(400, _("there is no such language: choose one of {listed}").format(listed=listed))
        refuse_foreign_forms("/models")
        response = redirect(page_after(form.get("after", "")), 303)
        response.set_cookie(
            COOKIE, tag, max_age=_SECONDS, httponly=True, samesite="Lax",
            secure=session.is_secure(),
        )  # fmt: skip
        return response

    routes.after_request(confine)
    return routes
