"""The forms of an answer, and the choice among them by ``Accept``."""

from collections.abc import Sequence

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from engine.records.arrow_support import missing_arrow
from engine.records.media_types import ARROW, CSV, JSON, LINES
from engine.records.problems import BadRequest

#: The forms of an answer; the first is the default.
FORMS = (JSON, CSV, LINES, ARROW)

#: Their content types.
CONTENT_TYPES = {form: form for form in FORMS} | {CSV: f"{CSV}; charset=utf-8"}


def wished_form(accept: str, forms: Sequence[str] = FORMS) -> str:
    """Choose the form that an Accept header prefers.

    Parameters
    ----------
    forms : sequence of str
        The media types that there are; the first is JSON.

    Raises
    ------
    BadRequest
        406 when it names none that there is.
    """
    if not accept.strip():
        return JSON
    wishes = MIMEAccept(
        (kind.removesuffix("; charset=utf-8"), quality)
        for kind, quality in parse_accept_header(accept, MIMEAccept)
    )
    form = wishes.best_match(forms)
    if form == ARROW and (reason := missing_arrow()):
        form = wishes.best_match(FORMS[:-1])
        if form is None:
            raise BadRequest(406, reason)
    if form is None:
        raise BadRequest(406, f"Accept is {accept[:80]!r}: accept {' or '.join(forms)}")
    return form
