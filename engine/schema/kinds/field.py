"""What every kind of field answers for itself.

A kind is a subclass of `Field` that defines `kind`, `expected` and `read`. The other
answers have defaults, for a value that is text in JSON and a double in the model; a kind
replaces them to be faster or to say more. No other code tells the kinds apart.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, get_origin

import numpy as np
from msgspec import convert

from engine.languages import gettext as _
from engine.schema.declarations import Policy, is_visible, written, wrong_attributes
from engine.schema.kinds.read_codes import ReadCodes
from engine.schema.kinds.spelling import GAP_WORDS
from engine.schema.messages import quoted, shown
from engine.schema.problem_codes import Code


class Finding(NamedTuple):
    """What is remarkable about a value, with the remedy; a policy may accept it all the same."""

    code: Code
    detail: str
    is_refused: bool = True


#: The kinds, by what a card calls them; a subclass of `Field` enters itself.
KINDS: "dict[str, type[Field]]" = {}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of a record, of any kind.

    The name is the key in a request; the column is that of the source table, by default
    the name. The example is a valid value, for people and for the worked example. The
    values of a private field are not logged.
    """

    name: str
    example: Any
    column: str = ""
    unit: str = ""
    description: str = ""
    missing: Policy = "refuse"
    private: bool = False

    kind: ClassVar[str]
    #: What the pipeline sees in place of an accepted gap.
    absent: ClassVar[Any] = math.nan
    #: What a number stands for where an array holds nothing but numbers.
    array_values: ClassVar[Mapping[float, Any]] = {}
    #: Whether any text is a value: then a word for a gap in a table always stands for one.
    takes_any_text: ClassVar[bool] = False
    #: Whether the pipeline sees it at all.
    is_input: ClassVar[bool] = True
    #: The type of the control in a page's form.
    control: ClassVar[str] = "text"
    #: The columns that are read of an Arrow table, by the words of its `kind_of`.
    arrow_columns: ClassVar[tuple[str, ...]] = ("text", "views", "words")

    def __init_subclass__(cls) -> None:
        KINDS[cls.kind] = cls

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)

    def to_json(self) -> dict[str, Any]:
        """Return the field as a card has it, a mapping as a list of pairs."""
        entry = {
            name: [list(pair) for pair in value.items()] if isinstance(value, Mapping) else value
            for name, value in asdict(self).items()
            if name != "private" or value
        }
        return {"kind": self.kind, **entry}

    @staticmethod
    def from_json(entry: Mapping[str, Any]) -> "Field":
        """Return the field that a card describes; raise some error when it describes none."""
        attributes = dict(entry)
        kind = KINDS[attributes.pop("kind")]
        for attribute in fields(kind):
            origin = get_origin(attribute.type)
            if origin in (tuple, Mapping) and attribute.name in attributes:
                make: Any = tuple if origin is tuple else dict
                attributes[attribute.name] = make(attributes[attribute.name])
        convert(attributes, kind)  # which checks every type; a whole number stays one below
        return kind(**attributes)

    def to_value(self, clean: Any) -> Any:
        """Return the JSON value that stands for what the pipeline takes; None for a gap."""
        return None if clean != clean or clean == self.absent else clean

    def expected(self) -> str:
        """Return in words what a valid value is."""
        raise NotImplementedError

    def hint(self) -> str:
        """Return in words what to enter in the control of a form."""
        return self.expected()

    def read(self, value: Any) -> tuple[Any, Finding | None]:
        """Return what the pipeline takes for a JSON value, None if it is refused, and a finding.

        None stands for a gap. The pipeline takes a double, NaN for a gap, or one of `words`.
        """
        raise NotImplementedError

    def read_missing(self) -> tuple[Any, Finding | None]:
        """Return what `read` returns for a gap."""
        if self.missing == "accept":
            return self.absent, None
        detail = _("is required: send {expected}").format(expected=self.expected())
        return None, Finding(Code.MISSING, detail)

    def finding(
        self, value: Any, code: Code = Code.WRONG_TYPE, reason: str = "", policy: Policy = "refuse"
    ) -> Finding:
        """Return a finding about a value, with the remedy."""
        detail = _("is {value}{reason}: send {expected}").format(
            value=shown(value), reason=reason, expected=self.expected()
        )
        return Finding(code, detail, policy == "refuse")

    def from_cell(self, cell: Any) -> Any:
        """Return the JSON value that a cell of any table stands for; None for a gap."""
        if isinstance(cell, str):
            # Where a gap is refused, the message names the word.
            may_be_gap = cell in GAP_WORDS and (self.missing == "accept" or not cell)
            is_gap = may_be_gap and (self.takes_any_text or self.read(cell)[1] is not None)
            return None if is_gap else self.from_text(cell)
        if isinstance(cell, (int, float, Decimal)):
            return self.from_number(cell) if cell == cell else None
        if isinstance(cell, date):  # also with a time of day
            return cell.isoformat() if cell == cell else None
        return cell

    def from_text(self, text: str) -> Any:
        """Return the JSON value that a text in a table spells."""
        return text

    def from_number(self, number: int | float | Decimal) -> Any:
        """Return the JSON value that a number or a truth value in a table stands for."""
        if not isinstance(number, Decimal):
            return number
        return int(number) if number == number.to_integral_value() else float(number)

    def from_array(self, value: Any) -> Any:
        """Return the JSON value that a value of an array of numbers stands for."""
        return self.array_values.get(value, value) if isinstance(value, (int, float)) else value

    def json_value(self, clean: Any) -> Any:
        """Return the JSON value of what the pipeline sees, as `read` reads it; None for a gap."""
        return None if clean is None or clean != clean or clean == self.absent else clean

    def accepted(self) -> list[str]:
        """List in words the unusual values that a policy accepts, such as ``out of range``."""
        policies = (attribute.name for attribute in fields(self) if attribute.type == Policy)
        return [name.replace("_", " ") for name in policies if getattr(self, name) == "accept"]

    @property
    def words(self) -> tuple[str, ...]:
        """What the pipeline may see where it sees text, each at the place of its code."""
        return ()

    @property
    def is_text(self) -> bool:
        """Whether the pipeline sees text; where `words` are empty, any text."""
        return bool(self.words)

    @property
    def accepted_words(self) -> tuple[str, ...]:
        """Those of `words` that no policy refuses."""
        return self.words

    @cached_property
    def word_codes(self) -> dict[str, float]:
        """The code of each of `words`: its place, as a double."""
        return {word: float(place) for place, word in enumerate(self.words)}

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels of a target, the positive one of two last; None for a regression."""
        return None

    @property
    def json_type(self) -> Any:
        """The type of the valid JSON values, for msgspec; a gap is left out."""
        return str

    @property
    def value_codes(self) -> Mapping[Any, float] | None:
        """The double that stands for each valid JSON value; None when it is that double.

        None and UNSET are gaps, valid or not; other values that are not valid raise KeyError.
        """
        return ReadCodes(self)

    def are_plain(self, numbers: np.ndarray) -> bool:
        """Return whether all of some doubles are valid values, without any doubt."""
        return False

    @property
    def datatype(self) -> str:
        """The tensor datatype of the Open Inference Protocol."""
        return "BYTES"

    @property
    def takes_numbers(self) -> bool:
        """Whether a number may be a valid value."""
        return self.datatype != "BYTES"

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a value; a gap is left out."""
        return {"type": "string"}

    def usual(self) -> str:
        """Return in words the usual values where others are accepted, too; else nothing."""
        return ""

    def noun(self) -> str:
        """Return what a card's page calls the kind."""
        return self.kind

    def limits(self) -> str:
        """Return the range or the first categories, for a card's page."""
        return ""

    def label(self, number: float) -> str:
        """Return how people read a double that the pipeline sees."""
        return f"{number:g}"

    def contradictions(self) -> list[str]:
        """Return what is wrong with the declaration, each as a sentence about the field."""
        wrong = wrong_attributes(self)
        problems = [*wrong.values()]
        if "name" not in wrong and not (is_visible(self.name) and {*self.name}.isdisjoint('"\\')):
            text = _('name is {name}: give a name of letters that can be seen, without " and \\')
            problems.append(text.format(name=quoted(self.name)))
        # What is read of the example depends on the attributes of the kind.
        is_readable = wrong.keys() <= {attribute.name for attribute in fields(Field)}
        if is_readable and not self._has_valid_example():
            text = _("the example is {example}: give {expected}")
            problems.append(text.format(example=written(self.example), expected=self.expected()))
        return problems

    def _has_valid_example(self) -> bool:
        try:
            is_gap = json.dumps(self.example, allow_nan=False) == "null"
        except (TypeError, ValueError):
            return False
        return not is_gap and self.read(self.example)[1] is None

    def target_contradictions(self) -> list[str]:
        """Return what keeps the field from being a target, each as a sentence."""
        problem = _("the target cannot be missing: filter such rows in load_data")
        return [problem] if self.missing == "accept" else []

    def draw(self, generator: np.random.Generator) -> Any:
        """Return a made-up JSON value that the field accepts; a gap is left out."""
        return self.example

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        """Return the clean values at which models turn, from those of real rows; no gap."""
        numbers = values.astype(np.float64)
        return list(np.unique(numbers[np.isfinite(numbers)]).tolist())

    def span(self, values: np.ndarray) -> tuple[float, float] | None:
        """Return the ends between which the thresholds of a quantity lie, from real values."""
        return None

    def clean_range(self) -> tuple[float, float]:
        """Return the ends between which all doubles lie that the pipeline may see."""
        return -math.inf, math.inf

    def usual_range(self) -> tuple[float, float]:
        """Return the declared ends of the range, whether or not values beyond are accepted."""
        return -math.inf, math.inf

    def near(self, values: np.ndarray) -> np.ndarray:
        """Return the clean values that the field accepts next to some doubles."""
        return values[:0]

    def extremes(self) -> list[float]:
        """Return clean values of all magnitudes up to the ends that no range declares."""
        return []

    def with_limit(self, limit: float) -> "Field":
        """Return the same field, which refuses numbers beyond a size."""
        return self
