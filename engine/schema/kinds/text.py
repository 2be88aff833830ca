"""Fields that hold text of any words."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from engine.languages import gettext as _
from engine.languages import local_number
from engine.schema.declarations import is_text, wrong_attributes
from engine.schema.kinds.field import Field, Finding
from engine.schema.kinds.spelling import spelling
from engine.schema.problem_codes import Code

#: No text may be longer, in characters: a row of a table has so many bytes at most.
LONGEST = 2**20


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """Text of any words, of which the pipeline sees the text itself; an accepted gap is empty.

    The lengths count characters, and both are included.
    """

    minimum_length: int = 1
    maximum_length: int = 1000

    kind: ClassVar[str] = "text"
    absent: ClassVar[str] = ""
    takes_any_text: ClassVar[bool] = True

    @property
    def is_text(self) -> bool:
        return True

    def expected(self) -> str:
        return _("text of {minimum_length} to {maximum_length} characters").format(
            minimum_length=self.minimum_length,
            maximum_length=local_number(f"{self.maximum_length:,}"),
        )

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        if not isinstance(value, str):
            return None, self.finding(value)
        if not is_text(value):
            return None, self.finding(value, reason=_(", which has half a surrogate pair"))
        if not self.minimum_length <= len(value) <= self.maximum_length:
            reason = _(", of {value} characters").format(value=local_number(f"{len(value):,}"))
            return None, self.finding(value, Code.OUT_OF_RANGE, reason)
        return value, None

    def from_number(self, number: Any) -> Any:
        # pandas reads a column of numbers, or of truth values, where all texts look so.
        return spelling(number)

    def json_schema(self) -> dict[str, Any]:
        lengths = {"minLength": self.minimum_length, "maxLength": self.maximum_length}
        return {"type": "string", **lengths}

    def limits(self) -> str:
        return _("{minimum_length} to {maximum_length} characters").format(
            minimum_length=self.minimum_length,
            maximum_length=local_number(f"{self.maximum_length:,}"),
        )

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        if wrong_attributes(self):
            return problems
        if not 0 <= self.minimum_length <= self.maximum_length <= LONGEST:
            lengths = _("the lengths are {minimum_length} to {maximum_length}").format(
                minimum_length=self.minimum_length, maximum_length=self.maximum_length
            )
            problems.append(
                _("{lengths}: give two numbers from 0 to {longest}, the lesser first").format(
                    lengths=lengths, longest=local_number(f"{LONGEST:,}")
                )
            )
        return problems

    def _has_valid_example(self) -> bool:
        return self.minimum_length > self.maximum_length or super()._has_valid_example()

    def target_contradictions(self) -> list[str]:
        remedy = _("make it a Category, which lists its words")
        return [
            *super().target_contradictions(),
            _("the target cannot be text: {remedy}").format(remedy=remedy),
        ]

    def draw(self, generator: np.random.Generator) -> str:
        words = str(self.example).split() or [str(self.example)]
        drawn = " ".join(generator.permutation([*words, "é", "🙂", "\0"]))
        drawn = drawn[: self.maximum_length]
        return drawn if len(drawn) >= self.minimum_length else str(self.example)

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        return [self.draw(generator), str(self.example)]
