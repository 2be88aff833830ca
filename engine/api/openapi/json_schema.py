"""A model's fields as JSON Schema 2020-12."""

from typing import Any

from engine.records.rows import MAX_RECORDS
from engine.schema.fields import Field
from engine.schema.record_schema import Schema

#: Values in a column, and rows in a list, at most.
MOST_ROWS = {"minItems": 1, "maxItems": MAX_RECORDS}


def record_schema(schema: Schema, *, is_columns: bool = False) -> dict[str, Any]:
    """Describe one record, or columns of many.

    Parameters
    ----------
    is_columns : bool
        Whether each key holds a list of values.
    """
    properties = {}
    for field in schema.fields:
        value = field_schema(field)
        column = {"type": "array", "items": value, **MOST_ROWS}
        properties[field.name] = column if is_columns else value
    if isinstance(schema.extras, tuple):
        properties |= {name: {"description": "Ignored"} for name in schema.extras}
    return {
        "type": "object",
        "required": [field.name for field in schema.fields if field.missing == "refuse"],
        "properties": properties,
        "additionalProperties": schema.extras == "ignore",
    }


def row_schema(schema: Schema) -> dict[str, Any]:
    """Describe a record whose values have no names: 0 and 1 are flags, too."""
    values = []
    for field in schema.fields:
        value, numbers = field_schema(field), [*field.array_values]
        values.append({"anyOf": [value, {"enum": numbers}]} if numbers else value)
    return {
        "type": "array",
        "description": "The values in the order of the fields",
        "prefixItems": values,
        "minItems": len(values),
        "maxItems": len(values),
    }


def field_schema(field: Field) -> dict[str, Any]:
    """Describe one value of a field.

    What a policy accepts is allowed; what it refuses is not.
    """
    schema: dict[str, Any] = {"examples": [field.example]}
    about = ", ".join(text for text in (field.description, field.unit, field.usual()) if text)
    if about:
        schema["description"] = about
    schema |= field.json_schema()
    return _or_null(schema) if field.missing == "accept" else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return {**schema, "type": [schema["type"], "null"]}
