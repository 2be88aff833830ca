"""The choice among the forms of an answer by the Accept header."""

from collections.abc import Collection

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from engine.languages import gettext as _
from engine.records.arrow_support import missing_arrow
from engine.records.forms import ANSWER_FORMS
from engine.records.media_types import ARROW, JSON
from engine.records.problems import BadRequest

#: The media type of a page.
HTML = "text/html"

#: What every browser asks for beside it.
_XHTML = "application/xhtml+xml"


def prefers_html(accept: str) -> bool:
    """Return whether an Accept header is that of a browser, which would rather have a page."""
    # Java's own client names pages before anything else, and is none that shows them.
    wishes = parse_accept_header(accept.replace("q=.", "q=0."), MIMEAccept)
    is_browser = _XHTML in wishes.values() or not wishes.quality(JSON)
    return bool(is_browser and wishes.quality(HTML) > wishes.quality(JSON))


def opens_a_page(accept: str) -> bool:
    """Return whether an Accept header is one with which browsers open pages; all name XHTML."""
    return _XHTML in accept and prefers_html(accept)


def choose_form(accept: str, forms: Collection[str] = ANSWER_FORMS) -> str:
    """Choose the form, a media type, that an Accept header prefers; 406 if it accepts none."""
    if not accept.strip():
        return JSON
    wishes = MIMEAccept(
        (kind.removesuffix("; charset=utf-8"), quality)
        for kind, quality in parse_accept_header(accept.replace("q=.", "q=0."), MIMEAccept)
    )
    problem = _("Accept is {accept}: accept {forms}").format(
        accept=repr(accept[:80]), forms=" or ".join(forms)
    )
    form = wishes.best_match(forms)
    if form == ARROW and (reason := missing_arrow()):
        problem = reason
        form = wishes.best_match([kind for kind in forms if kind != ARROW])
    if form is None:
        raise BadRequest(406, problem)
    return form
