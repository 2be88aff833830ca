"""Fields that are true or false."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from msgspec import UNSET

from engine.languages import gettext as _
from engine.schema.declarations import is_text, written
from engine.schema.kinds.field import Field, Finding
from engine.schema.kinds.spelling import spelling
from engine.schema.messages import quoted

#: How flags are written in tables: by JSON, Python, Excel and R.
FLAG_WORDS = {
    "true": True, "True": True, "TRUE": True, "T": True,
    "false": False, "False": False, "FALSE": False, "F": False,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Flag(Field):
    """True or false, or a synonym such as ``{"yes": True}``; the pipeline sees 1.0 or 0.0."""

    synonyms: Mapping[str, bool] = field(default_factory=dict)

    kind: ClassVar[str] = "flag"
    classes: ClassVar[tuple[bool, ...]] = (False, True)
    datatype: ClassVar[str] = "BOOL"
    array_values: ClassVar[Mapping[float, Any]] = {0: False, 1: True}
    arrow_columns: ClassVar[tuple[str, ...]] = ("flags", "text", "views", "words")

    @cached_property
    def _doubles(self) -> dict[Any, float]:
        words = {word: 1.0 if value else 0.0 for word, value in self.synonyms.items()}
        return words | {True: 1.0, False: 0.0}

    def expected(self) -> str:
        return _(" or ").join(["true", "false", *(quoted(str(word)) for word in self.synonyms)])

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        if isinstance(value, (bool, str)) and value in self._doubles:
            return self._doubles[value], None
        return None, self.finding(value)

    def to_value(self, clean: Any) -> Any:
        return bool(clean) if clean == clean else None

    def from_text(self, text: str) -> Any:
        if text in self.synonyms:
            return text
        return FLAG_WORDS.get(text, self.from_number(text))

    def from_number(self, number: Any) -> Any:
        # A number is a flag where the field declares it, as {"1": True, "0": False}.
        code = spelling(number)
        return code if code in self.synonyms else number

    def json_value(self, clean: Any) -> Any:
        value = super().json_value(clean)
        return None if value is None else bool(value)

    @property
    def json_type(self) -> Any:
        return bool | Literal[tuple(self.synonyms)] if self.synonyms else bool

    @property
    def value_codes(self) -> Mapping[Any, float] | None:
        return {**self._doubles, None: math.nan, UNSET: math.nan}

    def json_schema(self) -> dict[str, Any]:
        if not self.synonyms:
            return {"type": "boolean"}
        # One list of words and truth values would be no type for clients that are generated.
        words = {"type": "string", "enum": [*self.synonyms]}
        return {"anyOf": [{"type": "boolean"}, words]}

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        if not isinstance(self.synonyms, Mapping):
            return problems
        meanings: dict[str, Any] = {"true": True, "1": True, "false": False, "0": False}
        for word, value in self.synonyms.items():
            about = _("synonym {word}").format(word=written(word))
            if not (is_text(word) and word):
                problems.append(_("{about} is not a word: give text").format(about=about))
            elif not isinstance(value, bool):
                problems.append(
                    _("{about} means {value}: give True or False").format(
                        about=about, value=written(value)
                    )
                )
            elif meanings.setdefault(folded := word.strip().casefold(), value) != value:
                other = _("but {folded} means {value}").format(folded=repr(folded), value=not value)
                problems.append(
                    _("{about} means {value}, {other}: leave one of them out").format(
                        about=about, value=value, other=other
                    )
                )
        return problems

    def draw(self, generator: np.random.Generator) -> bool:
        return bool(generator.integers(2))

    def clean_range(self) -> tuple[float, float]:
        return 0.0, 1.0

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        return [0.0, 1.0]
