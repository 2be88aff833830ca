"""What the attributes of a model file may be, by their annotations."""

import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_origin

from engine.schema.messages import JOINERS

Policy = Literal["refuse", "accept"]


class _Rule(NamedTuple):
    """Whether a value is of an annotation, and what to give where it is not."""

    allows: Callable[[Any], bool]
    remedy: str


def written(value: Any) -> str:
    """Write a value as Python does, at most 60 characters of it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def is_text(value: Any) -> bool:
    """Return whether a value is text that UTF-8 can hold."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def is_visible(text: str) -> bool:
    """Return whether text has a letter, and nothing that cannot be seen beside blanks."""
    kinds = {unicodedata.category(letter) for letter in JOINERS.sub("", text)}
    return bool(text.strip()) and not kinds & {"Cc", "Cf", "Cn", "Co", "Zl", "Zp"}


def is_whole(value: Any) -> bool:
    """Return whether a value is one of Python's whole numbers, which True is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Return whether a value is a number that a finite double can stand for."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 2**1023 and math.isfinite(value)


_RULES: Mapping[Any, _Rule] = {
    str: _Rule(is_text, "give text"),
    bool: _Rule(lambda value: isinstance(value, bool), "give True or False"),
    int: _Rule(is_whole, "give a whole number"),
    float: _Rule(is_finite, "give a finite number"),
    float | None: _Rule(
        lambda value: value is None or is_finite(value), "give a finite number, or leave it out"
    ),
    str | None: _Rule(lambda value: value is None or is_text(value), "give text, or leave it out"),
    Policy: _Rule(
        lambda value: isinstance(value, str) and value in ("refuse", "accept"),
        "give 'refuse' or 'accept'",
    ),
    Path: _Rule(lambda value: isinstance(value, Path), "give a Path, as Path('data/table.csv')"),
    tuple[Any, ...] | Mapping[Any, Any]: _Rule(
        lambda value: isinstance(value, tuple),
        "give a tuple, with a comma after each item, or a dictionary, as {1: 'low', 2: 'high'}",
    ),
    tuple: _Rule(
        lambda value: isinstance(value, tuple), "give a tuple, with a comma after each item"
    ),
    Mapping: _Rule(
        lambda value: isinstance(value, Mapping), "give a dictionary, as {'word': meaning}"
    ),
}


def wrong_attributes(declared: Any) -> dict[str, str]:
    """Return a sentence for each attribute of a dataclass that is not of its annotation."""
    problems = {}
    for attribute in fields(declared):
        rule = _RULES.get(get_origin(attribute.type)) or _RULES.get(attribute.type)
        value = getattr(declared, attribute.name, None)
        if rule and attribute.init and not rule.allows(value):
            problems[attribute.name] = f"{attribute.name} is {written(value)}: {rule.remedy}"
    return problems
