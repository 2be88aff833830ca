"""What every kind of field answers for itself.

A kind is a subclass of `Field`. It needs `kind`, `expected` and `read`: every
other answer has a default that is derived from these, for a value that is text
in JSON and a double in the model. A kind replaces a default to be faster, or to
say more. No other code tells the kinds apart.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from msgspec import UNSET

from engine.schema.problem_codes import Code

Policy = Literal["refuse", "accept"]

#: The share of unusual values among made-up ones, where a field accepts them.
UNUSUAL = 1 / 8


class Finding(NamedTuple):
    """What is remarkable about one value.

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


#: The kinds, by what a card calls them; a subclass of `Field` enters itself.
KINDS: "dict[str, type[Field]]" = {}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of a record, of any kind.

    Parameters
    ----------
    name : str
        The key in a request.
    example : object
        A valid value, used in the documentation and the worked example.
    column : str, optional
        The column of the source table; the name when left out.
    unit : str, optional
        Such as ``"years"``.
    missing : {"refuse", "accept"}
        What happens to a gap.

    Attributes
    ----------
    kind : str
        What a card calls the kind.
    absent : float or str
        What the pipeline sees in place of an accepted gap.
    policies : tuple of str
        The attributes that say whether an unusual value is refused.
    array_values : mapping of float to object
        What a number stands for where an array holds nothing but numbers.
    arrow_columns : tuple of str
        The columns that are read of an Arrow table, by the words of
        `engine.records.arrow.columns.kind_of`.
    """

    name: str
    example: Any
    column: str = ""
    unit: str = ""
    description: str = ""
    missing: Policy = "refuse"

    kind: ClassVar[str]
    absent: ClassVar[Any] = math.nan
    policies: ClassVar[tuple[str, ...]] = ("missing",)
    array_values: ClassVar[Mapping[float, Any]] = {}
    arrow_columns: ClassVar[tuple[str, ...]] = ("text", "views", "words")

    def __init_subclass__(cls) -> None:
        KINDS[cls.kind] = cls

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)

    def to_json(self) -> dict[str, Any]:
        """Return the field as a card has it; `field_from_json` reads it back equal."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Field":
        """Return the field that a card describes, its kind left out."""
        return cls(**entry)

    # One value.

    def expected(self) -> str:
        """Return in words what a valid value is."""
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
            `clean` is a double (NaN for an accepted gap), or one of `words`.
            `finding` is None when there is nothing to remark; when it is
            refused, `clean` is None.
        """
        raise NotImplementedError

    def accepts(self, policy: str) -> bool:
        """Return whether a policy, such as ``missing``, lets unusual values through."""
        return bool(getattr(self, policy) == "accept")

    def read_missing(self) -> tuple[Any, Finding | None]:
        """Return what `read` does for a gap."""
        if self.missing == "accept":
            return self.absent, None
        return None, Finding(Code.MISSING, f"is required: send {self.expected()}")

    def from_text(self, text: str, flags: Mapping[str, bool]) -> Any:
        """Return the JSON value that text in a table spells; the text when it spells none.

        Parameters
        ----------
        flags : mapping of str to bool
            How truth values are spelled in that table.
        """
        return text

    def from_array(self, value: Any) -> Any:
        """Return the JSON value that a value of an array of numbers stands for."""
        return self.array_values.get(value, value) if isinstance(value, (int, float)) else value

    # How a value is stored.

    @property
    def words(self) -> tuple[str, ...]:
        """What the pipeline may see where it sees text, each at the place of its code."""
        return ()

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

    # How a JSON body is decoded in one pass.

    @property
    def json_type(self) -> Any:
        """The type of the valid JSON values, for msgspec; a gap is left out."""
        return str

    @property
    def value_codes(self) -> Mapping[Any, float] | None:
        """The double that stands for each valid JSON value; None when it is that double.

        A gap is there under None and UNSET, whether it is valid or not. To look
        up what is not valid raises KeyError.
        """
        return _ReadCodes(self)

    def are_plain(self, numbers: "np.ndarray") -> bool:
        """Return whether all of some doubles are valid values, without any doubt."""
        return False

    # How it is described.

    @property
    def datatype(self) -> str:
        """The tensor datatype of the Open Inference Protocol."""
        return "BYTES"

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

    def contradictions(self) -> list[str]:
        """Return what is wrong with the declaration, each as a sentence about the field."""
        _, finding = self.read(self.example)
        return [f"the example {finding.detail}"] if finding else []

    def target_contradictions(self) -> list[str]:
        """Return what keeps the field from being a target, each as a sentence."""
        is_refused = self.missing == "refuse"
        return [] if is_refused else ["the target cannot be missing: filter such rows in load_data"]

    # How an exported model is tried.

    def draw(self, generator: np.random.Generator) -> Any:
        """Return a made-up JSON value that the field accepts; a gap is left out."""
        return self.example

    def turning_points(self, values: np.ndarray, generator: np.random.Generator) -> list[Any]:
        """Return the clean values at which models turn; a gap is left out.

        Parameters
        ----------
        values : ndarray of shape (n,)
            Clean values of real rows.
        """
        numbers = values.astype(np.float64)
        return list(np.unique(numbers[np.isfinite(numbers)]).tolist())


class _ReadCodes(dict[Any, float]):
    """The double of each value, read by the field when it is looked up."""

    def __init__(self, field: Field) -> None:
        self._field = field
        absent = field.word_codes.get(field.absent, field.absent)
        super().__init__({None: absent, UNSET: absent})

    def __missing__(self, value: Any) -> float:
        clean, finding = self._field.read(value)
        if finding:
            raise KeyError(value)
        code: float = self._field.word_codes.get(clean, clean)
        return code
