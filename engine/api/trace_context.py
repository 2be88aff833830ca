"""W3C trace context: the trace that a request belongs to."""

import random
import re

from flask import g, has_request_context, request

# Version, trace, parent, flags: neither id is all zeros, and a version after 00 may go on.
_PARENT = re.compile(
    "(?!ff|00-.{53})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


def trace_id(parent: str) -> str:
    """Return the trace of a ``traceparent`` header, or a new one where it is not valid."""
    match = _PARENT.fullmatch(parent)
    return match[1] if match else f"{random.getrandbits(128):032x}"


def name_trace() -> None:
    """Put the request's trace into ``g.trace_id``, if the request names one."""
    if parent := request.headers.get("traceparent"):
        g.trace_id = trace_id(parent.strip())


def current() -> str:
    """Return the trace of the current request; empty when there is none."""
    return str(g.get("trace_id", "")) if has_request_context() else ""
