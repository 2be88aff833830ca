"""The schema of a record, and the numbers that stand for words where records are doubles."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from engine.schema.fields import Field
from engine.schema.messages import Vocabulary, vocabulary

Extras = Literal["refuse", "ignore"] | tuple[str, ...]

#: How tables call the column that numbers or names their rows, and columns without a name.
UNNAMED = re.compile(r"|Unnamed: \d+|__index_level_\d+__", re.ASCII)


class Columns(NamedTuple):
    """What the columns of a table, or the keys of a record, are to a schema.

    Attributes
    ----------
    sources : dict of str to str
        By the name of a field, the column that holds its values.
    repeated : list of (str, str)
        A column of a field that has another one already, and that other one.
    extras : list of str
        The columns that are refused, since they are neither a field nor passed over.
    """

    sources: dict[str, str]
    repeated: list[tuple[str, str]]
    extras: list[str]


@dataclass(frozen=True)
class Schema:
    """What a record may hold and what is predicted from it.

    The fields are in the order in which the pipeline takes them. A target with
    classes makes a classification, another a regression. Keys that are not
    fields are refused by name or ignored; a tuple lists those that are ignored.

    A table may call a field by its name or by its column of the source table. So the
    table that a version was trained on can be scored as it is: its target is passed
    over, and so are its `other_columns`, which no field has.
    """

    fields: tuple[Field, ...]
    target: Field
    extras: Extras = "refuse"
    other_columns: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """``"regression"`` or ``"classification"``."""
        return "regression" if self.target.classes is None else "classification"

    @cached_property
    def inputs(self) -> tuple[Field, ...]:
        """The fields that the pipeline sees, in the order in which it takes them."""
        return tuple(field for field in self.fields if field.is_input)

    @cached_property
    def identifiers(self) -> dict[str, int]:
        """The places of the fields that come back in the answer, by their names."""
        return {field.name: place for place, field in enumerate(self.fields) if not field.is_input}

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(field.name for field in self.fields)

    @cached_property
    def sources(self) -> dict[str, str]:
        """The names of the fields, by what a table may call them; a name comes before a column."""
        columns = {field.column: field.name for field in self.fields}
        return columns | {field.name: field.name for field in self.fields}

    @cached_property
    def _passed_over(self) -> frozenset[str]:
        extras = self.extras if isinstance(self.extras, tuple) else ()
        return frozenset((self.target.name, self.target.column, *extras, *self.other_columns))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The names of the fields, by what is like them: a name, else a column of the source."""
        names = {field.column: field.name for field in self.fields}
        columns = {folded: names[column] for folded, column in vocabulary(names)}
        return sorted((columns | dict(vocabulary(self.names))).items())

    def ignores(self, name: str) -> bool:
        """Return whether a key is ignored, since it is not a field."""
        is_extra = self.extras == "ignore" or name in self._passed_over
        return is_extra and name not in self.sources

    def refuses(self, name: str) -> bool:
        """Return whether a key is refused: it is neither a field nor ignored."""
        return name not in self.sources and not self.ignores(name)

    def find_columns(self, names: Iterable[str], *, is_table: bool = True) -> Columns:
        """Find the fields among the columns of a table, or the keys of a record.

        In a table, columns without a name and those that number its rows are passed over.
        """
        columns = Columns({}, [], [])
        for name in names:
            field = self.sources.get(name)
            if field is None:
                if self.refuses(name) and not (is_table and UNNAMED.fullmatch(name)):
                    columns.extras.append(name)
            elif field in columns.sources:
                columns.repeated.append((name, columns.sources[field]))
            else:
                columns.sources[field] = name
        return columns

    def example(self) -> dict[str, Any]:
        """Return the record made of every field's example."""
        return {field.name: field.example for field in self.fields}

    def columns(self, records: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Return the clean values of valid records, one list per field.

        Raise ValueError with the name of the first field whose value is refused.
        """
        columns: dict[str, list[Any]] = {field.name: [] for field in self.fields}
        for record in records:
            for field in self.fields:
                clean, finding = field.read(record.get(field.name))
                if finding and finding.is_refused:
                    raise ValueError(f"field {field.name!r} {finding.detail}")
                columns[field.name].append(clean)
        return columns

    def to_json(self) -> dict[str, Any]:
        """Return the schema as a card has it."""
        return {
            "fields": [field.to_json() for field in self.fields],
            "target": self.target.to_json(),
            "extras": self.extras if isinstance(self.extras, str) else list(self.extras),
            **({"other_columns": list(self.other_columns)} if self.other_columns else {}),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Schema":
        """Return the schema that a card describes; the inverse of `to_json`."""
        extras = entry["extras"]
        return cls(
            fields=tuple(map(Field.from_json, entry["fields"])),
            target=Field.from_json(entry["target"]),
            extras=tuple(extras) if isinstance(extras, list) else extras,
            other_columns=tuple(entry.get("other_columns", ())),
        )


def is_double(field: Field) -> bool:
    """Return whether a double stands for each value of a field."""
    return field.is_input and bool(field.words or not field.is_text)


def dtype_of(fields: Iterable[Field]) -> type:
    """Return the type of a matrix of records: doubles, or objects where text has no code."""
    return float if all(map(is_double, fields)) else object


def numbers_of(field: Field, column: Iterable[Any]) -> Any:
    """Return clean values without words as doubles, texts by their lengths; NaN for a gap."""
    if not field.is_text:
        return np.asarray(column, np.float64)
    return np.array([len(text or "") or np.nan for text in column], np.float64)


class Coding:
    """Turns clean columns into a matrix of doubles, a column per field, and back."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._names = [field.name for field in fields]
        self._dtype = dtype_of(fields)
        worded = [field for field in fields if field.words]
        self._codes = {field.name: field.word_codes for field in worded}
        self._words = {field.name: np.array(field.words, dtype=object) for field in worded}
        self._doubles = {field.name for field in fields if is_double(field)}

    def pack(self, columns: Mapping[str, Any]) -> Any:
        """Return the matrix of clean columns: NaN for a gap, and codes for words."""
        matrix: Any = np.empty((len(columns[self._names[0]]), len(self._names)), self._dtype)
        for place, name in enumerate(self._names):
            values = columns[name]
            codes = self._codes.get(name)
            matrix[:, place] = values if codes is None else [codes[word] for word in values]
        return matrix

    def unpack(self, matrix: Any) -> dict[str, Any]:
        """Return the columns of a matrix: doubles, and words as objects."""
        columns = {}
        for place, name in enumerate(self._names):
            values = matrix[:, place]
            if name in self._doubles and self._dtype is object:
                values = values.astype(np.float64)
            words = self._words.get(name)
            columns[name] = values if words is None else words[values.astype(np.intp)]
        return columns
