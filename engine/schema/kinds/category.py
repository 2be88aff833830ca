"""Fields that hold one word out of a list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from msgspec import UNSET

from engine.schema.kinds.field import UNUSUAL, Field, Finding, Policy
from engine.schema.messages import did_you_mean, shown
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
    policies: ClassVar[tuple[str, ...]] = ("missing", "unknown")

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "synonyms": [list(pair) for pair in self.synonyms.items()]}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Category":
        categories, synonyms = tuple(entry["categories"]), dict(entry.get("synonyms", ()))
        return cls(**{**entry, "categories": categories, "synonyms": synonyms})

    @cached_property
    def _valid(self) -> frozenset[Any]:
        return frozenset(self.categories)

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
            return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")
        if value in self._valid:
            return value, None
        if not isinstance(value, str):
            return None, Finding(Code.WRONG_TYPE, f"is {shown(value)}: send {self.expected()}")
        if value in self.synonyms:
            return self.synonyms[value], None
        nearest = did_you_mean(value, self._sorted_words)
        finding = Finding(
            Code.UNKNOWN_CATEGORY,
            f"is {shown(value)}, unknown{nearest}: send {self.expected()}",
            self.unknown == "refuse",
        )
        return (None if finding.is_refused else UNKNOWN), finding

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
        codes = self.word_codes
        synonyms = {word: codes[category] for word, category in self.synonyms.items()}
        own = {word: codes[word] for word in self.categories}
        return {**own, **synonyms, None: codes[MISSING], UNSET: codes[MISSING]}

    def json_schema(self) -> dict[str, Any]:
        words = [*self.categories, *self.synonyms]
        if self.unknown == "accept":
            return {"type": "string", "examples": words[:_LISTED_IN_SCHEMA]}
        return {"type": "string", "enum": words}

    def usual(self) -> str:
        if self.unknown == "refuse":
            return ""
        return f"expected are {', '.join(map(str, self.categories[:_LISTED_IN_SCHEMA]))}"

    def limits(self) -> str:
        more = len(self.categories) - _LISTED_ON_PAGE
        listed = ", ".join(map(str, self.categories[:_LISTED_ON_PAGE]))
        return listed + (f" and {more} more" if more > 0 else "")

    def contradictions(self) -> list[str]:
        problems = [] if self.categories else ["there are no categories"]
        reserved = {MISSING, UNKNOWN} & set(self.categories)
        problems += [f"{word!r} is reserved" for word in reserved]
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
        is_open = self.unknown == "accept"
        problems = ["the target cannot accept unknown categories"] if is_open else []
        return super().target_contradictions() + problems

    def draw(self, generator: np.random.Generator) -> str:
        if self.unknown == "accept" and generator.random() < UNUSUAL:
            return UNHEARD_OF
        words = [*self.categories, *self.synonyms]
        return str(words[generator.integers(len(words))])

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        return [word for word in self.accepted_words if word != MISSING]
