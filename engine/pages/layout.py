"""What all pages share: the templates, one style, and headers that let a page do little."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Response, abort, g, has_request_context, request
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from engine.api import session
from engine.api.middleware.auth import allows
from engine.api.session import COOKIE
from engine.cards.sentences import score_title, word
from engine.languages import LANGUAGES, gettext, language, local_date, local_number, ngettext
from engine.pages.security_headers import digest, security_headers
from engine.schema.messages import plain, rounded

_FOLDER = Path(__file__).parent / "templates"
_STYLE = (_FOLDER / "style.css").read_text()

# Of its own, since the worker phrases failures where there is no application.
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    auto_reload=False, extensions=["jinja2.ext.i18n"],
)  # fmt: skip
_TEMPLATES.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]


def _may(scope: str, model: str | None) -> bool:
    """Return whether a page may lead its reader to what needs a scope, perhaps of a model."""
    return has_request_context() and allows(scope, model)


def _moment(seconds: float) -> str:
    """Write a time in UTC, given in seconds since 1970, as people do."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{local_date(moment.isoformat())} {moment:%H:%M:%S}"


def _word(value: Any, digits: int | None = 5) -> str:
    """Write a value of a record or an answer as people do; with all its digits for None."""
    if isinstance(value, bool) or value is None:
        return gettext("no value") if value is None else word(value)
    return local_number(plain(value, digits)) if isinstance(value, (int, float)) else str(value)


_TEMPLATES.globals |= {
    "may": _may, "moment": _moment, "word": _word,
    "rounded": rounded, "score_title": score_title, "style": Markup(_STYLE),  # noqa: S704 - our own file
    "languages": LANGUAGES, "local_number": local_number, "local_date": local_date,
}  # fmt: skip
_STATIC = Path(__file__).parent / "static"
_TEMPLATES.globals["static"] = {
    file.name: f"static/{file.name}?v={sha256(file.read_bytes()).hexdigest()[:12]}"
    for file in _STATIC.iterdir()
}.__getitem__
for _name in _TEMPLATES.list_templates(["html"]):
    _TEMPLATES.get_template(_name)  # compiled now, so that no request waits for it

CONTENT_TYPE = "text/html; charset=utf-8"

_SOURCES = f"style-src '{digest(_STYLE)}'; img-src 'self'"

#: A page loads nothing but its own icon, and sends forms to this service alone.
HEADERS = {**security_headers(_SOURCES, forms="'self'"), "Cache-Control": "no-store"}

#: One with a script loads that as well, from this service, and may send requests to it.
SCRIPT_HEADERS = {
    **HEADERS,
    **security_headers(
        f"{_SOURCES}; script-src 'self'; connect-src 'self'", forms="'self'"
    ),
}  # fmt: skip


def confine(response: Response, headers: Mapping[str, str] = HEADERS) -> Response:
    """Let an answer, which a browser may show, do no more than a page has to."""
    response.headers.update(headers)
    return response


def refuse_foreign_forms(page: str) -> None:
    """Refuse what a browser sends from another site's page; a person is to open one of ours."""
    if session.is_foreign(request.method, request.headers, request.host):
        text = gettext("this form is taken from pages of this service alone: open {page}")
        abort(403, text.format(page=page))


def render(template: str, *, service: str, path: str, **values: Any) -> str:
    """Render a page of a service, which is at a path: links are relative to it.

    So they stay below the path of a proxy that nobody has told us.
    """
    # A browser counts no slash that is written as %2F.
    raw = request.environ.get("RAW_URI", "").partition("?")[0] if has_request_context() else ""
    root = "../" * ((raw if raw.startswith("/") else path).count("/") - 1) or "./"
    key = g.get("key") if has_request_context() else None
    person = key.name if key and COOKIE in request.cookies else ""
    query = request.query_string.decode("latin-1") if has_request_context() else ""
    methods = getattr(request.url_rule, "methods", ["GET"]) if has_request_context() else ["GET"]
    # What cannot be opened, but only sent, is below a page.
    page = path if "GET" in methods else path.rpartition("/")[0]
    here = f"{page.strip('/')}?{query}".rstrip("?")  # where a chosen language leads back to
    return _TEMPLATES.get_template(template).render(
        service=service, root=root, person=person, language=language(), here=here, **values
    )
