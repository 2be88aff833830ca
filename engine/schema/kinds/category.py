"""Fields that hold one word out of a list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from msgspec import UNSET

from engine.schema.kinds.field import UNUSUAL, Field, Finding, Policy, spelling
from engine.schema.messages import did_you_mean
from engine.schema.problem_codes import Code

#: What a pipeline sees in place of a missing or an unknown category.
MISSING = "__missing__"
UNKNOWN = "__unknown__"
#: A word that no field lists.
UNHEARD_OF = "unheard of"
#: So many categories are listed in a message, in the schema of an open field, on a card's page.
_LISTED_IN_MESSAGE, _LISTED_IN_SCHEMA, _LISTED_ON_PAGE = 50, 5, 8


@dataclass(frozen=True, kw_only=True)
class Category(Field):
    """One word out of a list; an accepted gap reaches the pipeline as ``MISSING``.

    Words are compared exactly; a target may list whole numbers. A synonym is
    another word for a category. Any other word that is accepted reaches the
    pipeline as ``UNKNOWN``, and the answer carries a warning.
    """

    categories: tuple[Any, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    unknown: Policy = "refuse"

    kind: ClassVar[str] = "category"
    absent: ClassVar[Any] = MISSING

    @cached_property
    def _meanings(self) -> dict[Any, Any]:
        return {**self.synonyms, **{word: word for word in self.categories}}

    @cached_property
    def _spelled(self) -> dict[str, Any]:
        return {str(word): word for word in self._meanings}

    @cached_property
    def _sorted_words(self) -> list[str]:
        return sorted([*map(str, self.categories), *self.synonyms])

    def expected(self) -> str:
        listed = ", ".join(map(str, self.categories[:_LISTED_IN_MESSAGE]))
        rest = len(self.categories) - _LISTED_IN_MESSAGE
        return f"one of {listed}" + (f" and {rest:,} more" if rest > 0 else "")

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return None, self.finding(value)
        if value in self._meanings:
            return self._meanings[value], None
        if not isinstance(value, str):
            return None, self.finding(value)
        nearest = did_you_mean(value, self._sorted_words)
        finding = self.finding(value, Code.UNKNOWN_CATEGORY, f", unknown{nearest}", self.unknown)
        return (None if finding.is_refused else UNKNOWN), finding

    def from_text(self, text: str) -> Any:
        return self._spelled.get(text, self.from_number(text))

    def from_number(self, number: Any) -> Any:
        return self._spelled.get(spelling(number), number)

    @property
    def words(self) -> tuple[str, ...]:
        return (*self.categories, MISSING, UNKNOWN)

    @property
    def accepted_words(self) -> tuple[str, ...]:
        unusual = {UNKNOWN: self.unknown, MISSING: self.missing}
        accepted = [word for word, policy in unusual.items() if policy == "accept"]
        return (*self.categories, *accepted)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        return self.categories

    @property
    def json_type(self) -> Any:
        return Literal[(*self.categories, *self.synonyms)]

    @property
    def value_codes(self) -> Mapping[Any, float] | None:
        meanings = {**self._meanings, None: MISSING, UNSET: MISSING}
        return {value: self.word_codes[word] for value, word in meanings.items()}

    def json_schema(self) -> dict[str, Any]:
        words = [*self.categories, *self.synonyms]
        if self.unknown == "accept":
            return {"type": "string", "examples": words[:_LISTED_IN_SCHEMA]}
        return {"type": "string", "enum": words}

    def usual(self) -> str:
        listed = ", ".join(map(str, self.categories[:_LISTED_IN_SCHEMA]))
        return f"expected are {listed}" if self.unknown == "accept" else ""

    def limits(self) -> str:
        more = len(self.categories) - _LISTED_ON_PAGE
        listed = ", ".join(map(str, self.categories[:_LISTED_ON_PAGE]))
        return listed + (f" and {more} more" if more > 0 else "")

    def contradictions(self) -> list[str]:
        problems = [] if self.categories else ["there are no categories"]
        problems += [f"{word!r} is reserved" for word in {MISSING, UNKNOWN} & {*self.categories}]
        problems += [
            f"synonym {word!r} is of no use"
            for word, category in self.synonyms.items()
            if category not in self.categories or word in self.categories
        ]
        problems += super().contradictions()
        if not all(isinstance(word, str) for word in self.categories):
            problems.append("categories are text; use Number for codes")
        return problems

    def target_contradictions(self) -> list[str]:
        problems = ["the target cannot accept unknown categories"] * (self.unknown == "accept")
        return super().target_contradictions() + problems

    def draw(self, generator: np.random.Generator) -> str:
        if self.unknown == "accept" and generator.random() < UNUSUAL:
            return UNHEARD_OF
        words = [*self.categories, *self.synonyms]
        return str(words[generator.integers(len(words))])

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        return [word for word in self.accepted_words if word != MISSING]
