"""Answers in gzip, where the caller accepts it and the answer is long enough to gain by it."""

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

from flask import Response, request

#: Shorter answers are sent as they are.
LEAST_BYTES = 1024

#: What compresses well; Arrow and tensors are numbers in binary.
_KINDS = ("text/", "image/svg", "application/json", "application/problem+json",
          "application/x-ndjson", "application/jsonlines",
          "application/openmetrics-text")  # fmt: skip

#: The fastest level: an answer is written once and read once.
_LEVEL = 1


def compress(response: Response) -> Response:
    """Compress a long answer in text; one that caches may keep says what it depends on."""
    length = response.content_length
    if length is None and response.is_sequence:
        length = response.calculate_content_length()
    if (
        length is None
        or length < LEAST_BYTES
        or "Content-Range" in response.headers
        or "Content-Encoding" in response.headers
        or not (response.content_type or "").startswith(_KINDS)
    ):
        return response
    is_wanted = request.accept_encodings.best_match(["gzip", "identity"], "identity") == "gzip"
    if is_wanted or response.headers.get("Cache-Control") != "no-store":
        response.vary.add("Accept-Encoding")
    if not is_wanted:
        return response
    response.headers["Content-Encoding"] = "gzip"
    response.direct_passthrough = False  # a file is read, and sent in pieces
    if etag := response.get_etag()[0]:
        response.set_etag(etag, weak=True)  # the bytes are not those of the plain answer
    if response.is_sequence:
        response.set_data(gzip.compress(response.get_data(), _LEVEL, mtime=0))
    else:
        response.response = _Compressed(response.response)
        del response.headers["Content-Length"]
    return response


class _Compressed:
    """An answer in pieces, compressed piece by piece."""

    def __init__(self, pieces: Any) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        compressor = zlib.compressobj(_LEVEL, wbits=31)
        for piece in self._pieces:
            if part := compressor.compress(piece):
                yield part
        yield compressor.flush()

    def close(self) -> None:
        """Close the answer."""
        if close := getattr(self._pieces, "close", None):
            close()
