"""Fields that name a record: they come back in the answer, and no pipeline sees them."""

import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np

from engine.languages import gettext as _
from engine.languages import local_number
from engine.schema.declarations import is_text, is_whole, wrong_attributes
from engine.schema.kinds.field import Field, Finding
from engine.schema.kinds.number import MAX_EXACT_INTEGER
from engine.schema.kinds.text import LONGEST
from engine.schema.problem_codes import Code

#: Whole numbers beyond are no 64-bit ones, which answers in binary have.
_MOST = 2**63

#: What the answers call their own columns and outputs.
_TAKEN = frozenset(
    ("value", "interval", "interval_low", "interval_high", "probability", "probabilities",
     "warnings", "predict", "explanation", "reasons", "set", "unfamiliar")
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Identifier(Field):
    """Text or a whole number that comes back beside the prediction, and is no input of it.

    An accepted gap comes back as null. The length counts characters.
    """

    maximum_length: int = 200

    kind: ClassVar[str] = "identifier"
    absent: ClassVar[Any] = None
    takes_any_text: ClassVar[bool] = True
    is_input: ClassVar[bool] = False
    arrow_columns: ClassVar[tuple[str, ...]] = (*Field.arrow_columns, "numbers")

    def expected(self) -> str:
        return _("a whole number, or text of 1 to {maximum_length} characters").format(
            maximum_length=local_number(f"{self.maximum_length:,}")
        )

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT_INTEGER:
            value = int(value)
        if is_whole(value):
            if -_MOST <= value < _MOST and len(str(value)) <= self.maximum_length:
                return value, None
            return None, self.finding(value, Code.OUT_OF_RANGE, _(", beyond 64 bits"))
        if not isinstance(value, str):
            return None, self.finding(value)
        if not is_text(value) or any(unicodedata.category(letter) == "Cc" for letter in value):
            return None, self.finding(
                value, reason=_(", which has a character that is none of text")
            )
        if not 1 <= len(value) <= self.maximum_length:
            reason = _(", of {value} characters").format(value=local_number(f"{len(value):,}"))
            return None, self.finding(value, Code.OUT_OF_RANGE, reason)
        return value, None

    def from_number(self, number: int | float | Decimal) -> Any:
        return str(number) if isinstance(number, bool) else super().from_number(number)

    @property
    def json_type(self) -> Any:
        return str | int | float

    def json_schema(self) -> dict[str, Any]:
        text = {"type": "string", "minLength": 1, "maxLength": self.maximum_length}
        return {"anyOf": [{"type": "integer"}, text]}

    def usual(self) -> str:
        return "comes back in the answer, and has no part in it"

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        if wrong_attributes(self):
            return problems
        if self.name in _TAKEN or self.name.startswith(("probability_", "predict_")):
            problems.append(_("the answers have a column of this name: choose another"))
        if not 1 <= self.maximum_length <= LONGEST:
            length = _("maximum_length is {maximum_length}").format(
                maximum_length=self.maximum_length
            )
            problems.append(
                _("{length}: give a number from 1 to {longest}").format(
                    length=length, longest=local_number(f"{LONGEST:,}")
                )
            )
        return problems

    def _has_valid_example(self) -> bool:
        return self.maximum_length < 1 or super()._has_valid_example()

    def target_contradictions(self) -> list[str]:
        return [_("the target cannot be an Identifier: make it a Number, a Category or a Flag")]

    def draw(self, generator: np.random.Generator) -> Any:
        return self.example
