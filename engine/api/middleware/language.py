"""The language of an answer: a person's own choice, else what the browser or client prefers."""

from flask import Response, request

from engine.languages import ENGLISH, choose_preferred, language

#: The cookie that keeps a person's own choice.
COOKIE = "language"


def choose() -> None:
    """Choose the language in which the request is answered."""
    choose_preferred(request.headers.get("Accept-Language", ""), request.cookies.get(COOKIE, ""))


def headers() -> dict[str, str]:
    """Return the headers of an answer in the chosen language that may come in another one."""
    named = {} if language() == ENGLISH else {"Content-Language": language()}
    return {**named, "Vary": "Accept-Language"}


def finish(response: Response) -> Response:
    """Name the language where it is not English, and keep caches from mixing languages."""
    if language() != ENGLISH:
        response.headers["Content-Language"] = language()
    if response.mimetype == "text/html" or response.status_code >= 400:
        response.vary.add("Accept-Language")
    return response
