"""The schema of a record: its fields, and what is done with other keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.schema.fields import Field, Number, field_from_json, field_to_json

Extras = Literal["refuse", "ignore"] | tuple[str, ...]


@dataclass(frozen=True)
class Schema:
    """What a record may hold and what is predicted from it.

    Attributes
    ----------
    fields : tuple of Number, Category or Flag
        In the order in which the pipeline takes them.
    target : Number, Category or Flag
        A number makes a regression, the others a classification.
    extras : "refuse", "ignore" or tuple of str
        What happens to keys that are no field: refused by name, ignored, or
        ignored when they are in the tuple and refused otherwise.
    """

    fields: tuple[Field, ...]
    target: Field
    extras: Extras = "refuse"

    @property
    def task(self) -> str:
        """``"regression"`` or ``"classification"``."""
        return "regression" if isinstance(self.target, Number) else "classification"

    def ignores(self, name: str) -> bool:
        """Tell whether a key that is no field is passed over."""
        return self.extras == "ignore" or (self.extras != "refuse" and name in self.extras)

    def example(self) -> dict[str, Any]:
        """Give the record made of every field's example."""
        return {one.name: one.example for one in self.fields}

    def columns(self, records: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Read records that are known to be valid, one list per field.

        Raises
        ------
        ValueError
            Naming the first field whose value is refused.
        """
        columns: dict[str, list[Any]] = {one.name: [] for one in self.fields}
        for record in records:
            for one in self.fields:
                clean, finding = one.read(record.get(one.name))
                if finding and finding.is_refused:
                    raise ValueError(f"field {one.name!r} {finding.detail}")
                columns[one.name].append(clean)
        return columns

    def to_json(self) -> dict[str, Any]:
        """Write the schema for a card."""
        return {
            "fields": [field_to_json(one) for one in self.fields],
            "target": field_to_json(self.target),
            "extras": self.extras if isinstance(self.extras, str) else list(self.extras),
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Schema":
        """Read a schema from a card; the inverse of `to_json`."""
        extras = written["extras"]
        return cls(
            fields=tuple(field_from_json(one) for one in written["fields"]),
            target=field_from_json(written["target"]),
            extras=tuple(extras) if isinstance(extras, list) else extras,
        )
