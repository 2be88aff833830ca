"""The media types that a body of records may have."""

import re

from engine.records.problems import BadRequest

JSON, CSV, LINES = "application/json", "text/csv", "application/x-ndjson"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"

#: The types that nobody chose: none, and curl's default. HTML forms are not read.
_DEFAULTS = ("", "application/x-www-form-urlencoded")

#: The types whose records are read while they arrive, in any number.
TABLES = (CSV, LINES, ARROW, PARQUET)


def media_type(content_type: str) -> str:
    """Return the media type of a body, in small letters; JSON by default.

    Raise `BadRequest` with 415 for a type that is not read, or for another charset than UTF-8.
    """
    kind, _, parameters = content_type.partition(";")
    charset = re.search(r'charset="?([^";\s]+)', parameters, re.IGNORECASE)
    if charset and charset.group(1).lower() not in ("utf-8", "utf8"):
        raise BadRequest(415, f"the charset is {charset.group(1)[:40]!r}: send utf-8")
    kind = kind.strip().lower()
    if kind in _DEFAULTS:
        return JSON
    if kind in (JSON, *TABLES):
        return kind
    raise BadRequest(
        415, f"the content type is {kind[:80]!r}: send {JSON} or {CSV}; /docs lists the others"
    )
