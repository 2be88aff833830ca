"""The headers that let a page do no more than it has to."""


def security_headers(sources: str) -> dict[str, str]:
    """Return the headers of a page; `sources` are directives of a content security policy.

    No page may submit forms, change its base address or stand in a frame.
    """
    forbidden = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return {
        "Content-Security-Policy": f"default-src 'none'; {sources}; {forbidden}",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
