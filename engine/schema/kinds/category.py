"""Fields that hold one word out of a list."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal
from unicodedata import normalize

import numpy as np
from msgspec import UNSET

from engine.languages import gettext as _
from engine.languages import local_number
from engine.schema.declarations import Policy, is_text, is_whole, written
from engine.schema.kinds.field import Field, Finding
from engine.schema.kinds.number import MAX_EXACT_INTEGER, UNUSUAL
from engine.schema.kinds.spelling import spelling
from engine.schema.messages import Vocabulary, did_you_mean, quoted, vocabulary
from engine.schema.problem_codes import Code

#: What a pipeline sees in place of a missing or an unknown category.
MISSING = "__missing__"
UNKNOWN = "__unknown__"
#: A word that no field lists.
UNHEARD_OF = "unheard of"
#: So many categories are listed in a message, in the schema of an open field, on a card's page.
_LISTED_IN_MESSAGE, _LISTED_IN_SCHEMA, _LISTED_ON_PAGE = 50, 5, 8

_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d{0,15}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Category(Field):
    """One word out of a list; an accepted gap reaches the pipeline as ``MISSING``.

    Words are compared exactly. One that is a whole number is a code: the numbers 1
    and 1.0 and the words 1 and 1.0 are the same, and the pipeline sees the word 1. A
    synonym is another word for a category. Any other word that is accepted reaches
    the pipeline as ``UNKNOWN``, and the answer carries a warning.

    A dictionary of codes and their labels, as ``{1: "low", 2: "high"}``, makes the labels
    the categories and the codes their synonyms.
    """

    #: Text, or whole numbers, which are the labels of a target.
    categories: tuple[Any, ...] | Mapping[Any, Any]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    unknown: Policy = "refuse"

    kind: ClassVar[str] = "category"
    absent: ClassVar[Any] = MISSING
    arrow_columns: ClassVar[tuple[str, ...]] = (*Field.arrow_columns, "numbers", "dates")
    _clashes: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.categories, Mapping) and isinstance(self.synonyms, Mapping):
            self._take_codes([*self.categories.items()])
        if isinstance(self.categories, (list, range)):
            object.__setattr__(self, "categories", tuple(self.categories))

    def _take_codes(self, pairs: list[tuple[Any, Any]]) -> None:
        """Make labels the categories, and their codes synonyms."""
        coded = [(_word_of(code), label) for code, label in pairs]
        meanings: dict[Any, Any] = {**self.synonyms}
        clashes = [
            _("code {word} means {label} and {meanings}: choose one").format(
                word=written(word), label=written(label), meanings=written(meanings[word])
            )
            for word, label in coded
            if meanings.setdefault(word, label) != label
        ]
        labels = {str(label): label for _, label in coded}
        synonyms = {word: label for word, label in meanings.items() if word != str(label)}
        object.__setattr__(self, "categories", tuple(labels.values()))
        object.__setattr__(self, "synonyms", synonyms)
        object.__setattr__(self, "_clashes", clashes)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(map(str, self.categories))

    @cached_property
    def _words(self) -> dict[str, str]:
        """The category of each word that is listed: the categories, then the synonyms."""
        synonyms = {str(word): str(category) for word, category in self.synonyms.items()}
        return {text: text for text in self._texts} | synonyms

    @cached_property
    def _numbers(self) -> dict[int, str]:
        """The category of each whole number."""
        coded = {word: code_of(word) for word in self._words}
        return {code: self._words[word] for word, code in coded.items() if code is not None}

    @cached_property
    def _meanings(self) -> dict[Any, str]:
        """The category of each valid value, in every way to write it; 1 and 1.0 are one key."""
        spelled = {f"{code}.0": category for code, category in self._numbers.items()}
        more = {word: category for word, category in spelled.items() if word not in self._words}
        return {**self._words, **more, **self._numbers}

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return vocabulary(self._words)

    @property
    def takes_numbers(self) -> bool:
        return bool(self._numbers)

    def expected(self) -> str:
        listed = ", ".join(map(quoted, self._texts[:_LISTED_IN_MESSAGE]))
        rest = len(self.categories) - _LISTED_IN_MESSAGE
        return _("one of {listed}").format(listed=listed) + (
            _(" and {rest} more").format(rest=local_number(f"{rest:,}")) if rest > 0 else ""
        )

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        if value is None:
            return self.read_missing()
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            return None, self.finding(value)
        if value in self._meanings:
            return self._meanings[value], None
        if isinstance(value, str):
            nearest = did_you_mean(value, self._vocabulary)
        elif self.takes_numbers and (isinstance(value, int) or math.isfinite(value)):
            nearest = ""
        else:
            return None, self.finding(value)
        finding = self.finding(
            value,
            Code.UNKNOWN_CATEGORY,
            _(", unknown{nearest}").format(nearest=nearest),
            self.unknown,
        )
        return (None if finding.is_refused else UNKNOWN), finding

    def from_number(self, number: Any) -> Any:
        # pandas reads the words True and False as truth values.
        return str(number) if str(number) in self._words else super().from_number(number)

    @property
    def words(self) -> tuple[str, ...]:
        return (*self._texts, MISSING, UNKNOWN)

    @property
    def accepted_words(self) -> tuple[str, ...]:
        unusual = {UNKNOWN: self.unknown, MISSING: self.missing}
        accepted = [word for word, policy in unusual.items() if policy == "accept"]
        return (*self._texts, *accepted)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        return tuple(self.categories)

    @property
    def json_type(self) -> Any:
        words: Any = Literal[tuple(word for word in self._meanings if isinstance(word, str))]
        return words | float if self.takes_numbers else words

    @property
    def value_codes(self) -> Mapping[Any, float] | None:
        meanings = {**self._meanings, None: MISSING, UNSET: MISSING}
        return {value: self.word_codes[word] for value, word in meanings.items()}

    def json_schema(self) -> dict[str, Any]:
        words = [word for word in self._meanings if isinstance(word, str)]
        is_open = self.unknown == "accept"
        text = {"type": "string"} if is_open else {"type": "string", "enum": words}
        examples = {"examples": words[:_LISTED_IN_SCHEMA]} if is_open else {}
        if not self.takes_numbers:
            return text | examples
        number = {"type": "number"} if is_open else {"type": "integer", "enum": [*self._numbers]}
        return {"anyOf": [number, text]} | examples

    def usual(self) -> str:
        listed = ", ".join(self._texts[:_LISTED_IN_SCHEMA])
        coded = [f"{n} is {label}" for n, label in self._numbers.items() if label != str(n)]
        expected = (
            _("expected are {listed}").format(listed=listed) if self.unknown == "accept" else ""
        )
        return ", ".join(filter(None, (expected, *coded[:_LISTED_IN_MESSAGE])))

    def limits(self) -> str:
        more = len(self.categories) - _LISTED_ON_PAGE
        listed = ", ".join(self._texts[:_LISTED_ON_PAGE])
        return listed + (_(" and {more} more").format(more=more) if more > 0 else "")

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        if isinstance(self.categories, tuple):
            problems += self._category_problems()
        if isinstance(self.categories, tuple) and isinstance(self.synonyms, Mapping):
            problems += self._synonym_problems()
        return problems

    def _has_valid_example(self) -> bool:
        return not self.categories or super()._has_valid_example()

    def _category_problems(self) -> list[str]:
        problems = [
            _("category {word} is {fault}").format(word=written(word), fault=fault)
            for word in self.categories
            if (fault := _fault_of(word))
        ]
        same: dict[str, list[Any]] = {}
        for word in self.categories:
            same.setdefault(normalize("NFC", _plain(str(word))), []).append(word)
        for words in same.values():
            if len(words) > 1:
                listed = _(" and ").join(map(written, words))
                problems.append(
                    _("categories {listed} are the same: list one of them").format(listed=listed)
                )
        if not self.categories:
            problems.append(_("there are no categories: list the words"))
        elif len(same) == 1 and self.unknown != "accept" and self.missing != "accept":
            problems.append(
                _("{texts} is the only category: list another").format(
                    texts=written(self._texts[0])
                )
            )
        return [*problems, *self._clashes]

    def _synonym_problems(self) -> list[str]:
        problems = []
        listed = {_plain(text): text for text in self._texts}
        for word, category in self.synonyms.items():
            about = _("synonym {word}").format(word=written(word))
            if not is_text(word) or (fault := _fault_of(word)):
                fault = fault if is_text(word) else _("not text: give text")
                problems.append(_("{about} is {fault}").format(about=about, fault=fault))
            elif str(category) not in self._texts:
                problems.append(
                    _("{about} means {category}: give one of the categories").format(
                        about=about, category=written(category)
                    )
                )
            elif other := listed.get(_plain(word)):
                problems.append(
                    _("{about} is the same word as {other}: leave it out").format(
                        about=about, other=written(other)
                    )
                )
            else:
                listed[_plain(word)] = word
        return problems

    def target_contradictions(self) -> list[str]:
        problems = super().target_contradictions()
        if self.unknown == "accept":
            problems.append(_("the target cannot accept unknown categories: list all of them"))
        if isinstance(self.categories, tuple) and len({*map(type, self.categories)}) > 1:
            problems.append(
                _("the categories of the target mix text and numbers: give all as text")
            )
        return problems

    def draw(self, generator: np.random.Generator) -> str:
        if self.unknown == "accept" and generator.random() < UNUSUAL:
            return UNHEARD_OF
        words = [*self._words]
        return words[generator.integers(len(words))]

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        return [word for word in self.accepted_words if word != MISSING]


def _word_of(code: Any) -> Any:
    """Return the word that spells a declared code: 1 for 1.0; what is no code, as it is."""
    is_number = isinstance(code, (int, float)) and not isinstance(code, bool)
    return spelling(code) if is_number else code


def _plain(word: str) -> str:
    """Return the shorter of the words that spell a code, and another word as it is."""
    shorter = word.removesuffix(".0")
    return word if code_of(shorter) is None else shorter


def _fault_of(word: Any) -> str:
    """Return what keeps a value from being a category, with the remedy; empty if nothing does."""
    if is_whole(word):
        is_code = code_of(str(word)) is not None
        return "" if is_code else _("not below 2**53, as a code must be: list it as text")
    if not is_text(word):
        return _("neither text nor a whole number: list text")
    if word in (MISSING, UNKNOWN):
        return _("reserved: list another word")
    return "" if word else _("empty, as a gap is: leave it out, or accept `missing`")


def code_of(word: str) -> int | None:
    """Return the whole number that a word spells; None for other words, such as 01."""
    number = int(word) if _WHOLE_NUMBER.fullmatch(word) else MAX_EXACT_INTEGER
    return number if abs(number) < MAX_EXACT_INTEGER else None
