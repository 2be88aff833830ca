"""The languages that people read: English, Brazilian Portuguese and Spanish.

English stands in the code: a text in `gettext` is its own key. The other two are in
`<language>/LC_MESSAGES/engine.po`, beside what Babel compiles from it. A request, or a
command, chooses its language once, and all that is written afterwards follows.
"""

import gettext as catalogues
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from engine.languages.accept_language import preferred

#: The languages by their tags (RFC 5646), each with its own name.
LANGUAGES = {"en": "English", "pt-BR": "Português", "es": "Español"}

ENGLISH = "en"

_CATALOGUES = {
    tag: catalogues.translation("engine", Path(__file__).parent, [tag.replace("-", "_")])
    for tag in LANGUAGES
    if tag != ENGLISH
}

_chosen: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """Return the tag of the chosen language."""
    return _chosen.get()


def choose(tag: str) -> None:
    """Choose a language of `LANGUAGES` for all that this thread writes until it chooses again."""
    _chosen.set(tag)


def choose_preferred(accept_language: str, wish: str = "") -> None:
    """Choose a person's own wish, if it is one of `LANGUAGES`; else what a header prefers."""
    choose(wish if wish in LANGUAGES else preferred(accept_language, tuple(LANGUAGES)))


def choose_by_environment(variables: Mapping[str, str]) -> None:
    """Choose the language of a command, as a terminal's LC_ALL, LC_MESSAGES or LANG names it."""
    named = (variables.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, named), "")
    choose_preferred(locale.partition(".")[0].partition("@")[0].replace("_", "-"))


@contextmanager
def in_english() -> Iterator[None]:
    """Write what is stored in English, whatever language a person has chosen."""
    token = _chosen.set(ENGLISH)
    try:
        yield
    finally:
        _chosen.reset(token)


def gettext(text: str) -> str:
    """Return a text in the chosen language; English where it has none."""
    catalogue = _CATALOGUES.get(_chosen.get())
    return catalogue.gettext(text) if catalogue else text


def mark(text: str) -> str:
    """Return a text as it is: it is translated where it is used, by `gettext`."""
    return text


def ngettext(singular: str, plural: str, count: int) -> str:
    """Return the form of a text that belongs to a count."""
    if catalogue := _CATALOGUES.get(_chosen.get()):
        return catalogue.ngettext(singular, plural, count)
    return singular if count == 1 else plural


def local_number(text: str, *, grouped: bool = True) -> str:
    """Write a number as people do: 12345.6 as 12,345.6, or as 12.345,6 in the other languages.

    Four digits in front of the point stay together, but in Portuguese: 1234.5, 1.234,5, 1234,5.
    """
    whole, point, rest = text.partition(".")
    fewest = 4 if language() == "pt-BR" else 5
    if grouped and len(whole.lstrip("-+")) >= fewest and whole.lstrip("-+").isdigit():
        whole = f"{int(whole):{'+' if text[:1] == '+' else ''},}"
    number = whole + point + rest
    return number if language() == ENGLISH else number.translate(_SIGNS)


def local_date(text: str) -> str:
    """Write a date, given as 2026-11-29, as people do: 29/11/2026 but in English."""
    parts = text[:10].split("-")
    return text[:10] if language() == ENGLISH else "/".join(reversed(parts))


_SIGNS = str.maketrans(".,", ",.")
