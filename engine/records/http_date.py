"""The time in HTTP's format."""

import time
from email.utils import formatdate

_second, _written = 0, ""


def http_date() -> str:
    """Return the time now, as ``Sat, 21 Nov 2026 05:52:02 GMT``; made once a second."""
    global _second, _written
    now = int(time.time())
    if now != _second:
        # The text first: another thread that sees the second must see its text.
        _written = formatdate(now, usegmt=True)
        _second = now
    return _written
