"""Compressed bodies, which are inflated within a limit."""

import zlib

from flask import request

from engine.api.requests import whole_body
from engine.records.problems import BadRequest

#: The number by which zlib knows the wrapper of each encoding.
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def inflated_body() -> bytes:
    """Return the request's body, inflated where it is compressed.

    Raise `BadRequest`: 413 beyond Flask's limit, up to which it is inflated;
    415 for another encoding; 400 for several encodings, and for a body that
    is damaged, cut off or followed by more.
    """
    body, most = whole_body(), request.max_content_length or 0
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return body
    if "," in encoding:
        raise BadRequest(400, f"the content encoding is {encoding[:40]!r}: send one")
    if encoding not in _WINDOW_BITS:
        detail = f"the content encoding is {encoding[:40]!r}: send gzip, deflate or none"
        raise BadRequest(415, detail)
    inflater = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        inflated = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequest(400, f"the body is not {encoding}") from error
    if len(inflated) > most:
        raise BadRequest(413, f"the body is larger than {most} bytes when inflated")
    if not inflater.eof:
        raise BadRequest(400, f"the body ends before its {encoding} does")
    if inflater.unused_data:
        raise BadRequest(400, f"the body goes on after its {encoding} ends")
    return inflated
