"""The headers that let a page do no more than it has to."""

from collections.abc import Mapping

#: What confines every page, whatever it may load.
_CONFINED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

#: What no page may do: submit forms, change its base address, stand in a frame.
_FORBIDDEN = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def security_headers(sources: str) -> Mapping[str, str]:
    """Return the headers of a page that may load from `sources` alone.

    These are directives of a content security policy, with semicolons between.
    """
    policy = f"default-src 'none'; {sources}; {_FORBIDDEN}"
    return {"Content-Security-Policy": policy, **_CONFINED}
