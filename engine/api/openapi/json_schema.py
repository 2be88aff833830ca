"""A model's fields as JSON Schema 2020-12."""

from typing import Any

from engine.records.rows import MAX_RECORDS
from engine.schema.fields import Field
from engine.schema.record_schema import Schema


def record_schema(schema: Schema, *, is_columns: bool = False) -> dict[str, Any]:
    """Describe one record, or an object of columns, each of which is a list of values."""
    properties = {field.name: _field_schema(field) for field in schema.fields}
    if is_columns:
        properties = {
            name: {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_RECORDS}
            for name, value in properties.items()
        }
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
        value, numbers = _field_schema(field), [*field.array_values]
        values.append({"anyOf": [value, {"enum": numbers}]} if numbers else value)
    return {
        "type": "array",
        "description": "The values in the order of the fields",
        "prefixItems": values,
        "minItems": len(values),
        "maxItems": len(values),
    }


def _field_schema(field: Field) -> dict[str, Any]:
    """Describe one value of a field: what a policy accepts is allowed, what it refuses is not."""
    schema: dict[str, Any] = {"examples": [field.example]}
    about = ", ".join(filter(None, (field.description, field.unit, field.usual())))
    if about:
        schema["description"] = about
    schema |= field.json_schema()
    if field.missing != "accept":
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return {**schema, "type": [schema["type"], "null"]}
