"""What all pages share: the templates, one style, and headers that let a page do little."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Response, g, has_request_context, request
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from engine.api.session import COOKIE
from engine.languages import LANGUAGES, gettext, language, local_date, local_number, ngettext
from engine.pages.security_headers import digest, security_headers
from engine.schema.messages import rounded

_FOLDER = Path(__file__).parent / "templates"
_STYLE = (_FOLDER / "style.css").read_text()

# Of its own, since the worker phrases failures where there is no application.
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    auto_reload=False, extensions=["jinja2.ext.i18n"],
)  # fmt: skip
_TEMPLATES.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
_TEMPLATES.globals |= {
    "rounded": rounded, "style": Markup(_STYLE),  # noqa: S704 - our own file
    "languages": LANGUAGES, "local_number": local_number, "local_date": local_date,
}  # fmt: skip
for _name in _TEMPLATES.list_templates(["html"]):
    _TEMPLATES.get_template(_name)  # compiled now, so that no request waits for it

CONTENT_TYPE = "text/html; charset=utf-8"

#: A page loads nothing but its own icon, and sends forms to this service alone.
HEADERS = {
    **security_headers(f"style-src '{digest(_STYLE)}'; img-src 'self'", forms="'self'"),
    "Cache-Control": "no-store",
}


#: A page with a script of this service, which may ask this service.
SCRIPT_HEADERS = {
    **HEADERS,
    **security_headers(
        f"style-src '{digest(_STYLE)}'; img-src 'self'; script-src 'self'; connect-src 'self'",
        forms="'self'",
    ),
}


def confine(response: Response, headers: Mapping[str, str] = HEADERS) -> Response:
    """Let an answer, which a browser may show, do no more than a page has to."""
    response.headers.update(headers)
    return response


def render(template: str, *, service: str, path: str, **values: Any) -> str:
    """Render a page of a service, which is at a path: links are relative to it.

    So they stay below the path of a proxy that nobody has told us.
    """
    root = "../" * (path.count("/") - 1) or "./"
    key = g.get("key") if has_request_context() else None
    person = key.name if key and COOKIE in request.cookies else ""
    query = request.query_string.decode("latin-1") if has_request_context() else ""
    here = f"{path.strip('/')}?{query}".rstrip("?")  # where a chosen language leads back to
    return _TEMPLATES.get_template(template).render(
        service=service, root=root, person=person, language=language(), here=here, **values
    )
