"""Python as it is laid out in a model file: quotes, calls, and lines that are not too long."""

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

_WIDTH = 100
#: Longer text is written in pieces, one a line.
_PIECE = 70


class Code(str):
    """Text that is written as it is."""

    __slots__ = ()


def quote(text: str) -> str:
    """Write text in double quotes; what is neither a letter nor ASCII is written by its number."""
    if "\\" in text and re.fullmatch(r"[ -!#-~]*[^\\]", text, re.ASCII):
        return f'r"{text}"'
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    return "".join(
        letter if letter.isalnum() or (letter.isascii() and letter.isprintable())
        else f"\\U{ord(letter):08x}" if ord(letter) > 0xFFFF else f"\\u{ord(letter):04x}"
        for letter in plain
    )  # fmt: skip


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
    begin = " " * indent + f"{function}("
    lines = [begin]
    for token in tokens:
        is_full = len(lines[-1]) + len(token) + 2 > _WIDTH
        if is_full and lines[-1].strip() and lines[-1] != begin:
            lines.append(" " * len(begin) + token)
        else:
            lines[-1] += token if lines[-1] == begin else f" {token}"
    return "\n".join(lines).removesuffix(",") + ")"


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
        text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )
