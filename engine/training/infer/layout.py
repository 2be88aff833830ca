"""Python as it is laid out in a model file: quotes, calls, and lines that are not too long."""

import json
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from typing import Any

#: No line of code is wider.
WIDTH = 100
#: Longer text is written in pieces, one a line.
_PIECE = 70
#: Signs that are written as they are, besides currencies: ruff takes none of them for another.
_SIGNS = frozenset("¡¿§¶©®«»“”„—…•·°±÷†‡‰№™←↑→↓≈≠≤≥")
#: Pictures begin here; letters of other scripts than Latin before that.
_PICTURES, _OTHER_SCRIPTS = 0x1F300, 0x250


class Code(str):
    """Text that is written as it is."""

    __slots__ = ()


def quote(text: str) -> str:
    """Write text in double quotes; what cannot be seen or mistaken is written by its number."""
    if "\\" in text and re.fullmatch(r"[ -!#-~]*[^\\]", text, re.ASCII):
        return f'r"{text}"'
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    return "".join(
        letter if _is_plain(letter)
        else f"\\U{ord(letter):08x}" if ord(letter) > 0xFFFF else f"\\u{ord(letter):04x}"
        for letter in plain
    )  # fmt: skip


def _is_plain(letter: str) -> bool:
    """Return whether a character can be seen, and is not a sign that looks like another."""
    if not letter.isprintable() or "VARIATION" in unicodedata.name(letter, ""):
        return False
    is_mark = unicodedata.category(letter)[0] == "M" and ord(letter) >= 0x370
    return letter.isascii() or letter.isalnum() or is_mark or _is_sign(letter)


def _is_sign(letter: str) -> bool:
    is_currency = unicodedata.category(letter) == "Sc" and letter < "\ufe00"
    return is_currency or letter in _SIGNS or ord(letter) >= _PICTURES


def has_other_scripts(text: str) -> bool:
    """Return whether a text has letters of other scripts, which ruff may take for Latin ones."""
    return any(ord(letter) >= _OTHER_SCRIPTS and not _is_sign(letter) for letter in text)


def width(text: str) -> int:
    """Return how wide a text is, as ruff counts: some letters and pictures take two places."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def assignment(name: str, value: Any, *, indent: int) -> str:
    """Write an assignment, in several lines where one would be too long."""
    line = " " * indent + f"{name} = {written(value)}"
    if width(line) <= WIDTH:
        return line
    first, *rest = _pieces(value)
    return _filled(" " * indent + f"{name} = {first[0]}", [first[1:], *rest])


def plain(text: str) -> str:
    """Return text that may stand in a docstring or a comment, without what cannot be seen."""
    return _escaped(text).replace('\\"', "'").replace("\\", "/")


def call(
    function: str, arguments: Mapping[str, Any], *, indent: int, first: str = "", last: str = ""
) -> str:
    """Write a call with arguments by name, in lines that begin below its first argument.

    What comes first and last in the brackets is code already.
    """
    tokens = [f"{first},"] if first else []
    for name, value in arguments.items():
        pieces = _pieces(value)
        tokens += [f"{name}={pieces[0]}", *pieces[1:]]
        tokens[-1] += ","
    tokens += [f"{last},"] if last else []
    return _filled(" " * indent + f"{function}(", tokens).removesuffix(",") + ")"


def _filled(begin: str, tokens: list[str]) -> str:
    """Fill lines with what follows a bracket; all begin below the first."""
    lines = [begin]
    for token in tokens:
        is_full = width(lines[-1]) + width(token) + 2 > WIDTH
        if is_full and lines[-1].strip() and lines[-1] != begin:
            lines.append(" " * len(begin) + token)
        else:
            lines[-1] += token if lines[-1] == begin else f" {token}"
    return "\n".join(lines)


def _pieces(value: Any) -> list[str]:
    """Write a value in pieces between which a line may end."""
    if isinstance(value, Code):
        return [str(value)]
    if isinstance(value, str) and len(value) > _PIECE:
        return [quote(value[at : at + _PIECE]) for at in range(0, len(value), _PIECE)]
    if isinstance(value, dict):
        items = [[f"{quote(str(key))}: {written(each)}"] for key, each in value.items()]
    elif isinstance(value, (tuple, list)):
        items = [_pieces(each) for each in value]
    else:
        return [written(value)]
    pieces = [f"{part}," if part is item[-1] else part for item in items for part in item]
    if len(items) > 1 or not isinstance(value, tuple):
        pieces[-1] = pieces[-1].removesuffix(",")
    brackets = "{}" if isinstance(value, dict) else "()" if isinstance(value, tuple) else "[]"
    pieces[0] = brackets[0] + pieces[0]
    pieces[-1] += brackets[1]
    return pieces


def written(value: Any) -> str:
    """Write a value as Python does, with double quotes and 10_000 for large whole numbers."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, range):
        return f"range({value.stop})"
    if isinstance(value, (tuple, list, dict)):
        return " ".join(_pieces(value))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:_}"
    return repr(value)


def comment(text: str) -> list[str]:
    """Write a comment in lines that are not too long."""
    return textwrap.wrap(
        text, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )
