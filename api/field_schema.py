"""A model's fields as JSON Schema 2020-12."""

from typing import Any

from models.fields import Category, Field, Flag
from models.schema import Schema


def record_schema(schema: Schema, *, is_columns: bool = False) -> dict[str, Any]:
    """Describe one record, or columns of many.

    Parameters
    ----------
    is_columns : bool
        Whether each key holds a list of values.
    """
    properties = {}
    for one in schema.fields:
        value = field_schema(one)
        properties[one.name] = {"type": "array", "items": value} if is_columns else value
    if isinstance(schema.extras, tuple):
        properties |= {name: {"description": "Ignored"} for name in schema.extras}
    return {
        "type": "object",
        "required": [one.name for one in schema.fields if one.missing == "refuse"],
        "properties": properties,
        "additionalProperties": schema.extras == "ignore",
    }


def field_schema(one: Field) -> dict[str, Any]:
    """Describe one value of a field.

    What a policy accepts is allowed; what it refuses is not.
    """
    written: dict[str, Any] = {"examples": [one.example]}
    about = ", ".join(text for text in (one.description, one.unit) if text)
    if about:
        written["description"] = about
    if isinstance(one, Category):
        written |= _words([*one.categories, *one.synonyms], is_open=one.unknown == "accept")
    elif isinstance(one, Flag):
        values = [True, False, *one.synonyms]
        written |= {"enum": values} if one.synonyms else {"type": "boolean"}
    else:
        written["type"] = "integer" if one.integer else "number"
        if one.out_of_range == "refuse":
            ends = {"minimum": one.minimum, "maximum": one.maximum}
            written |= {key: end for key, end in ends.items() if end is not None}
    if one.missing == "accept":
        if "enum" in written:
            written["enum"] = [*written["enum"], None]
        if "type" in written:
            written["type"] = [written["type"], "null"]
    return written


def _words(words: list[str], *, is_open: bool) -> dict[str, Any]:
    if is_open:
        return {"type": "string", "examples": words[:5]}
    return {"enum": words}
