"""Rules between the fields of a row, as a model file declares them: ``target_fg <= target_og``."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.schema.declarations import is_text, written, wrong_attributes
from engine.schema.fields import Field
from engine.schema.messages import did_you_mean, vocabulary

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_PARTS = re.compile(rf"\s*(.+?)\s*({'|'.join(_COMPARE)})\s*(.+?)\s*")


class InvalidRule(ValueError):
    """A rule compares nothing that can be compared; the message says what, and what to do."""


class Rule(NamedTuple):
    """A comparison of two fields, or of a field and a number."""

    text: str
    left: str
    sign: str
    right: str | float

    @property
    def names(self) -> list[str]:
        """The names of its fields."""
        return [name for name in (self.left, self.right) if isinstance(name, str)]

    def is_broken(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return whether each row breaks the rule; NaN, a gap, breaks none."""
        left = columns[self.left]
        right = columns[self.right] if isinstance(self.right, str) else self.right
        gaps = np.isnan(left) | np.isnan(right)
        breaks: np.ndarray = ~(_COMPARE[self.sign](left, right) | gaps)
        return breaks


def parse_rule(text: Any, fields: Iterable[Field]) -> Rule:
    """Parse a rule about some fields; raise InvalidRule with the remedy."""
    sound = (each for each in fields if not wrong_attributes(each))
    numbers = {each.name for each in sound if not each.is_text and each.is_input}
    parts = _PARTS.fullmatch(text) if is_text(text) else None
    if parts is None:
        remedy = "compare two fields, or a field and a number, as in 'low <= high' or 'age < 120'"
        raise InvalidRule(f"rules has {written(text)}: {remedy}")
    left, sign, right = parts.groups()
    try:
        other: str | float = right if right in numbers else float(right)
    except ValueError:
        other = right
    for name in (left, other):
        if isinstance(name, str) and name not in numbers:
            hint = did_you_mean(name, vocabulary(numbers))
            remedy = "compare fields of numbers by their names, or such a field and a number"
            raise InvalidRule(f"the rule {written(text)} has {written(name)}{hint}: {remedy}")
    if other != other:
        raise InvalidRule(f"the rule {written(text)} compares with no number: give one")
    return Rule(text, left, sign, other)
