"""Where callers reach the service, which may be below a proxy's path."""

import re

from flask import request

from engine.api.resources import resources

#: Letters, digits and a few signs between single slashes, and no dots alone.
_PREFIX = re.compile(r"(/(?!\.+(/|$))[A-Za-z0-9._~-]{1,100}){1,10}")


def public_path() -> str:
    """Return the path that callers write before that of a route; empty at the root.

    A proxy that removes it says it in `X-Forwarded-Prefix`, which counts where
    `FORWARDED_PREFIX` says that every request comes through such a proxy. One that
    leaves it is named to gunicorn in `SCRIPT_NAME`.
    """
    prefix = request.headers.get("X-Forwarded-Prefix", "").removesuffix("/")
    if resources().trusts_prefix and _PREFIX.fullmatch(prefix):
        return prefix
    return request.script_root
