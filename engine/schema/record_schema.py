"""The schema of a record: its fields, and what is done with other keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from engine.schema.card import SchemaEntry
from engine.schema.fields import Field, field_from_json

Extras = Literal["refuse", "ignore"] | tuple[str, ...]


@dataclass(frozen=True)
class Schema:
    """What a record may hold and what is predicted from it.

    Attributes
    ----------
    fields : tuple of Field
        In the order in which the pipeline takes them.
    target : Field
        One with classes makes a classification, another a regression.
    extras : "refuse", "ignore" or tuple of str
        What happens to keys that are not fields: refused by name, ignored, or
        ignored when they are in the tuple and refused otherwise.
    """

    fields: tuple[Field, ...]
    target: Field
    extras: Extras = "refuse"

    @property
    def task(self) -> str:
        """``"regression"`` or ``"classification"``."""
        return "regression" if self.target.classes is None else "classification"

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(field.name for field in self.fields)

    def ignores(self, name: str) -> bool:
        """Return whether a key is ignored, since it is not a field."""
        is_extra = self.extras == "ignore" or (self.extras != "refuse" and name in self.extras)
        return is_extra and name not in self.names

    def refuses(self, name: str) -> bool:
        """Return whether a key is refused: it is neither a field nor ignored."""
        return name not in self.names and not self.ignores(name)

    def example(self) -> dict[str, Any]:
        """Return the record made of every field's example."""
        return {field.name: field.example for field in self.fields}

    def columns(self, records: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Return the clean values of valid records, one list per field.

        Raises
        ------
        ValueError
            Naming the first field whose value is refused.
        """
        columns: dict[str, list[Any]] = {field.name: [] for field in self.fields}
        for record in records:
            for field in self.fields:
                clean, finding = field.read(record.get(field.name))
                if finding and finding.is_refused:
                    raise ValueError(f"field {field.name!r} {finding.detail}")
                columns[field.name].append(clean)
        return columns

    def to_json(self) -> SchemaEntry:
        """Return the schema as a card has it."""
        return {
            "fields": [field.to_json() for field in self.fields],
            "target": self.target.to_json(),
            "extras": self.extras if isinstance(self.extras, str) else list(self.extras),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Schema":
        """Return the schema that a card describes; the inverse of `to_json`."""
        extras = entry["extras"]
        return cls(
            fields=tuple(map(field_from_json, entry["fields"])),
            target=field_from_json(entry["target"]),
            extras=tuple(extras) if isinstance(extras, list) else extras,
        )
