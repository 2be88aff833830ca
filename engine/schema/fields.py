"""The kinds of field a model has, and how each reads one value.

Nothing here needs scikit-learn, pandas or Flask: the service reads fields
from a version's card.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

from engine.schema.messages import did_you_mean, plain, shown
from engine.schema.problem_codes import Code

Policy = Literal["refuse", "accept"]

#: What a pipeline sees in place of a missing or an unknown category.
MISSING = "__missing__"
UNKNOWN = "__unknown__"

#: Beyond this a double cannot hold every whole number.
MAX_EXACT_INTEGER = 2**53

#: A message lists so many categories.
_MOST_LISTED = 50

_NUMBER = re.compile(r"-?\d{1,400}(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)


class Finding(NamedTuple):
    """What a field has to say about one value.

    Attributes
    ----------
    code : Code
        For programs.
    detail : str
        The value and the remedy, as a sentence.
    is_refused : bool
        False when the field's policy accepts the value all the same.
    """

    code: Code
    detail: str
    is_refused: bool = True


@dataclass(frozen=True, kw_only=True)
class _Field:
    """What the three kinds of field share."""

    name: str
    example: Any
    column: str = ""
    unit: str = ""
    description: str = ""
    missing: Policy = "refuse"

    kind: ClassVar[str]
    absent: ClassVar[Any]

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)

    def _read_missing(self) -> tuple[Any, Finding | None]:
        if self.missing == "accept":
            return self.absent, None
        return None, Finding(Code.MISSING, f"is required: send {self.expected()}")

    def expected(self) -> str:
        """Say in words what a valid value is."""
        raise NotImplementedError

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        """Turn one value into what the pipeline takes.

        Parameters
        ----------
        value : object
            A JSON value, or a cell of a table; None stands for a gap.

        Returns
        -------
        (clean, finding)
            `clean` is a float for numbers and flags (NaN for an accepted
            gap) and a string for categories. `finding` is None when there is
            nothing to remark; when it is refused, `clean` is None.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Number(_Field):
    """A quantity, held as a double.

    Parameters
    ----------
    name : str
        The key in a request.
    example : float
        A valid value, used in the documentation and the worked example.
    column : str, optional
        The column of the source table; the name when left out.
    unit : str, optional
        Such as ``"years"``.
    minimum, maximum : float, optional
        The range, both ends included.
    integer : bool
        Whether only whole numbers are valid.
    missing, out_of_range : {"refuse", "accept"}
        What happens to a gap and to a number outside the range. An accepted
        gap is NaN; an accepted number goes to the model as it is, and the
        answer carries a warning.
    """

    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False
    out_of_range: Policy = "refuse"

    kind: ClassVar[str] = "number"
    absent: ClassVar[Any] = math.nan

    def expected(self) -> str:
        noun = "a whole number" if self.integer else "a number"
        if self.minimum is not None and self.maximum is not None:
            noun += f" from {plain(self.minimum)} to {plain(self.maximum)}"
        elif self.minimum is not None:
            noun += f" of at least {plain(self.minimum)}"
        elif self.maximum is not None:
            noun += f" of at most {plain(self.maximum)}"
        return f"{noun} ({self.unit})" if self.unit else noun

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self._read_missing()
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")
        if isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
            return None, Finding(
                Code.NOT_FINITE,
                f"is {shown(value)}, more than a double holds exactly: send {self.expected()}",
            )
        number = float(value)
        if not math.isfinite(number):
            return None, Finding(Code.NOT_FINITE, f"is not a finite double: send {self.expected()}")
        if self.integer and not number.is_integer():
            return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")
        if (self.minimum is not None and number < self.minimum) or (
            self.maximum is not None and number > self.maximum
        ):
            finding = Finding(
                Code.OUT_OF_RANGE,
                f"is {shown(value)}, out of range: send {self.expected()}",
                self.out_of_range == "refuse",
            )
            return (None if finding.is_refused else number), finding
        return number, None


@dataclass(frozen=True, kw_only=True)
class Category(_Field):
    """One word out of a list.

    Parameters
    ----------
    name, example, column, unit, missing
        As for `Number`. An accepted gap reaches the pipeline as ``MISSING``.
    categories : tuple of str
        The valid words, compared exactly. A target may list whole numbers.
    synonyms : mapping of str to str
        Other words for a category.
    unknown : {"refuse", "accept"}
        What happens to any other word. An accepted one reaches the pipeline
        as ``UNKNOWN``, and the answer carries a warning.
    """

    categories: tuple[Any, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    unknown: Policy = "refuse"

    kind: ClassVar[str] = "category"
    absent: ClassVar[Any] = MISSING

    @cached_property
    def _known(self) -> frozenset[Any]:
        return frozenset(self.categories)

    @cached_property
    def _words(self) -> list[str]:
        return sorted([*map(str, self.categories), *self.synonyms])

    def expected(self) -> str:
        listed = ", ".join(map(str, self.categories[:_MOST_LISTED]))
        rest = len(self.categories) - _MOST_LISTED
        return f"one of {listed}" + (f" and {rest:,} more" if rest > 0 else "")

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self._read_missing()
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")
        if value in self._known:
            return value, None
        if not isinstance(value, str):
            return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")
        if value in self.synonyms:
            return self.synonyms[value], None
        nearest = did_you_mean(value, self._words)
        finding = Finding(
            Code.UNKNOWN_CATEGORY,
            f"is {shown(value)}, unknown{nearest}: send {self.expected()}",
            self.unknown == "refuse",
        )
        return (None if finding.is_refused else UNKNOWN), finding


@dataclass(frozen=True, kw_only=True)
class Flag(_Field):
    """True or false; the pipeline sees 1.0 or 0.0.

    Parameters
    ----------
    name, example, column, unit, missing
        As for `Number`.
    synonyms : mapping of str to bool
        Words that stand for true or false, such as ``{"yes": True}``.
    """

    synonyms: Mapping[str, bool] = field(default_factory=dict)

    kind: ClassVar[str] = "flag"
    absent: ClassVar[Any] = math.nan

    def expected(self) -> str:
        return " or ".join(["true", "false", *self.synonyms])

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self._read_missing()
        if isinstance(value, bool):
            return float(value), None
        if isinstance(value, str) and value in self.synonyms:
            return float(self.synonyms[value]), None
        return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")


Field = Number | Category | Flag
_KINDS: dict[str, type[Number] | type[Category] | type[Flag]] = {
    kind.kind: kind for kind in (Number, Category, Flag)
}


def number_in(text: str) -> int | float | None:
    """Give the number that a cell of text spells; None when it spells none.

    Digits, point and exponent as in JSON, nothing around them.
    """
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def field_to_json(one: Field) -> dict[str, Any]:
    """Write a field for a card; `field_from_json` reads it back equal."""
    written = {"kind": one.kind, **asdict(one)}
    if "synonyms" in written:
        written["synonyms"] = [list(pair) for pair in written["synonyms"].items()]
    return written


def field_from_json(written: Mapping[str, Any]) -> Field:
    """Read a field from a card.

    Raises
    ------
    KeyError, TypeError
        When the card names a kind or an attribute that does not exist.
    """
    known = dict(written)
    kind = _KINDS[known.pop("kind")]
    if "synonyms" in known:
        known["synonyms"] = dict(known["synonyms"])
    if "categories" in known:
        known["categories"] = tuple(known["categories"])
    return kind(**known)
