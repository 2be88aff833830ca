"""The media types that a body of records may have."""

import re

from engine.languages import gettext as _
from engine.records.charsets import CHARSETS
from engine.records.problems import BadRequest

JSON, CSV, LINES = "application/json", "text/csv", "application/x-ndjson"
TABS = "text/tab-separated-values"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"

#: The types that nobody chose: none, and curl's default. HTML forms are not read.
_DEFAULTS = ("", "application/x-www-form-urlencoded")

#: The types whose records are read while they arrive, in any number.
TABLES = (CSV, TABS, LINES, ARROW, PARQUET)

#: What separates the cells of a table of text, by its type; others may state another.
DELIMITERS = {CSV: ",", TABS: "\t"}


def media_type(content_type: str) -> str:
    """Return the media type of a body, in small letters; JSON by default.

    Raise `BadRequest` with 415 for a type that is not read, or for a charset that is not.
    """
    kind = content_type.partition(";")[0].strip().lower()
    charset_of(content_type)
    if kind in _DEFAULTS:
        return JSON
    if kind in (JSON, *TABLES):
        return kind
    raise BadRequest(
        415,
        _("the content type is {kind}: send {json} or {csv}; /docs lists the others").format(
            kind=repr(kind[:80]), json=JSON, csv=CSV
        ),
    )


def charset_of(content_type: str) -> str:
    """Return the encoding that a content type states, a value of `CHARSETS`; UTF-8 by default.

    Raise `BadRequest` with 415 for one that is not read; JSON is UTF-8.
    """
    kind, _sign, parameters = content_type.partition(";")
    charset = re.search(r'charset="?([^";\s]+)', parameters, re.IGNORECASE)
    name = charset[1].lower() if charset else "utf-8"
    names = CHARSETS if kind.strip().lower() in DELIMITERS else ("utf-8", "utf8")
    if name not in names:
        raise BadRequest(
            415,
            _("the charset is {name}: send {names}").format(
                name=repr(name[:40]), names=_(" or ").join(names)
            ),
        )
    return CHARSETS[name]
