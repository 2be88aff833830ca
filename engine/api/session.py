"""The cookie that stands for an API key in a browser: signed, and valid for some hours.

    <id of the key>.<end, in seconds since 1970>.<HMAC-SHA256 of both and the key's digest>

It has no secret of the key. A key that is removed or has expired ends its sessions at once.
"""

import hmac
import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import request
from werkzeug.wrappers import Response

from persistence.api_keys import Key
from persistence.callers import Callers

COOKIE = "signed_in"

#: How long a session lasts: a working day.
SECONDS = 8 * 3600

#: The headers by which a browser says which page sends a request.
ORIGINS = ("Sec-Fetch-Site", "Origin")


def sign(callers: Callers, key: Key) -> str:
    """Return the text of a session of a key that begins now."""
    end = int(time.time()) + SECONDS
    return f"{key.id}.{end}.{_signature(callers, key, end)}"


def find(callers: Callers, text: str) -> Key | None:
    """Return the key whose session has a text; None where there is none, or it has ended."""
    identifier, _, rest = text.partition(".")
    end, _, signature = rest.partition(".")
    key = callers.with_id(identifier)
    if key is None or not (end.isascii() and end.isdigit() and len(end) < 12):
        return None
    if not hmac.compare_digest(_signature(callers, key, int(end)).encode(), signature.encode()):
        return None
    return key if time.time() < int(end) else None


def _signature(callers: Callers, key: Key, end: int) -> str:
    signed = f"{key.id}.{end}.{key.sha256}".encode()
    return hmac.digest(callers.session_secret, signed, "sha256").hex()


def begin(response: Response, text: str) -> None:
    """Have a browser keep a session, or forget it where the text is empty."""
    response.set_cookie(
        COOKIE, text, max_age=SECONDS if text else 0, httponly=True, samesite="Strict",
        secure=is_secure(),
    )  # fmt: skip


def is_secure() -> bool:
    """Return whether the browser speaks https, perhaps to a proxy."""
    return request.is_secure or "https" in request.headers.get("X-Forwarded-Proto", "").lower()


def is_foreign(method: str, headers: Any, host: str) -> bool:
    """Return whether a browser sends a request that changes something from another site's page.

    `headers` have a method `get`.
    """
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    if site := headers.get("Sec-Fetch-Site"):
        return bool(site not in ("same-origin", "none"))
    origin = headers.get("Origin")
    return bool(origin and origin.partition("://")[2] != host)


def is_loopback(host: str) -> bool:
    """Return whether a host, or an origin, is this machine."""
    try:
        name = urlsplit(host if "//" in host else f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
