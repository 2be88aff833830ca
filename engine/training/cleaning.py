"""Records as they came, sorted by the check of a model into those that fit and the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pandas as pd

from engine.schema.definition import InvalidDefinition, ModelDefinition
from engine.schema.fields import UNKNOWN, Field, Flag, Number, Text
from engine.schema.record_schema import Schema
from engine.schema.rules import parse_rule
from engine.training.table_check import check_table
from persistence.file_rows import BEYOND
from persistence.lake import Raw
from persistence.lake_parts import Kind, divide
from persistence.objects import Objects

#: The kinds of columns that a source may have besides the model's fields.
_KINDS: dict[Kind, Field] = {
    "text": Text(name="text", example="a", minimum_length=0, maximum_length=2**20),
    "number": Number(name="number", example=0),
    "integer": Number(name="integer", example=0, integer=True),
    "flag": Flag(name="flag", example=True),
}


class Cleaner:
    """Sorts records by the check of a model, or by the columns of a source without a model.

    Parameters
    ----------
    definition : ModelDefinition or None
        The model whose fields and rules count.
    key : sequence of str
        The columns without which a record cannot be known again.
    columns : mapping of str to str
        Columns that no field has, and their kinds; each may have gaps.
    derived : frozenset of str
        The fields that `load_data` makes, so that no record has them; ``*`` for all of them.

    Raises
    ------
    InvalidDefinition
        Where nothing says what a record has.
    """

    def __init__(
        self,
        definition: ModelDefinition | None,
        *,
        key: Sequence[str],
        columns: Mapping[str, Kind],
        derived: frozenset[str],
    ) -> None:
        fields = {
            name: replace(_KINDS[kind], name=name, column=name, missing="accept")
            for name, kind in columns.items()
        }
        given = (*definition.fields, definition.target) if definition else ()
        fields |= {f.name: f for f in given if f.is_input and derived.isdisjoint((f.name, "*"))}
        if not fields:
            raise InvalidDefinition(["there are no columns: describe them in sources.toml"])
        *inputs, last = fields.values()
        self._key, self._fields, self._schema = key, fields, Schema(tuple(inputs), last)
        rules = definition.rules if definition else ()
        self._rules = [r for r in rules if {*parse_rule(r, given).names} <= fields.keys()]

    def clean(self, raw: Raw, objects: Objects) -> Counter[str]:
        """Store the records of an object as cleaned or rejected; count them, also by reason."""
        values = [record.value for record in raw.records]
        reasons = {place: self._faults(value) for place, value in enumerate(values)}
        cells = {f.column: [_cell(value, f) for value in values] for f in self._fields.values()}
        check = check_table(pd.DataFrame(cells, dtype=object), self._schema, self._rules)
        for place, found in check.row_reasons().items():
            reasons[place] = reasons[place] or found
        blank = range(len(check.table), len(values))  # the rows at the end without any value
        reasons |= {place: reasons[place] or ["no column has a value"] for place in blank}
        columns = {
            field.column: (
                _kind_of(field),
                [
                    *map(partial(_value, field), cells[field.column], check.columns[name].values),
                    *blank,
                ],
            )
            for name, field in self._fields.items()
        }
        divide(raw, objects, columns=columns, reasons=reasons)
        rejected = sum(map(bool, reasons.values()))
        counts = {"cleaned": len(values) - rejected, "rejected": rejected}
        return Counter(counts) + Counter({f"({why}": n for why, n in check.reasons.items()})

    def _faults(self, value: Any) -> list[str]:
        if not isinstance(value, dict):
            return ["it is not a JSON object"]
        if BEYOND in value:
            return ["it has more cells than the header"]
        return [f"the key {name} is missing" for name in self._key if value.get(name) is None]


def _cell(record: Any, field: Field) -> Any:
    """Return what a record has for a field, None for empty text; a nested value as its JSON."""
    if not isinstance(record, dict):
        return None
    value = record.get(field.column, record.get(field.name))
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return None if value == "" else value


def _value(field: Field, cell: Any, clean: Any) -> Any:
    """Return what is stored for a cell; a word that is unknown today may be known tomorrow."""
    if clean is None:  # it was refused
        return None
    value = cell if clean == UNKNOWN else field.to_value(clean)
    return str(value) if _kind_of(field) == "text" and value is not None else value


def _kind_of(field: Field) -> Kind:
    if isinstance(field, Number):
        return "integer" if field.integer else "number"
    return "flag" if isinstance(field, Flag) else "text"
