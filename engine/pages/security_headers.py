"""The headers that let a page do no more than it has to."""

import base64
import hashlib


def security_headers(sources: str, *, forms: str = "'none'") -> dict[str, str]:
    """Return the headers of a page; `sources` are directives of a content security policy.

    No page may change its base address or stand in a frame, and only to `forms` may it
    submit any.
    """
    forbidden = f"base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    return {
        "Content-Security-Policy": f"default-src 'none'; {sources}; {forbidden}",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }


def digest(style: str) -> str:
    """Return the source that allows a style inside a page, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"
