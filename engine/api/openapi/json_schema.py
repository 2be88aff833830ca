"""A model's fields as JSON Schema 2020-12."""

from typing import Any

from engine.records.rows import MAX_RECORDS
from engine.schema.fields import Category, Field, Flag, Number
from engine.schema.record_schema import Schema

#: So many words of an open field are shown.
MOST_SHOWN = 5

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
    for one in schema.fields:
        value = field_schema(one)
        column = {"type": "array", "items": value, **MOST_ROWS}
        properties[one.name] = column if is_columns else value
    if isinstance(schema.extras, tuple):
        properties |= {name: {"description": "Ignored"} for name in schema.extras}
    return {
        "type": "object",
        "required": [one.name for one in schema.fields if one.missing == "refuse"],
        "properties": properties,
        "additionalProperties": schema.extras == "ignore",
    }


def row_schema(schema: Schema) -> dict[str, Any]:
    """Describe a record whose values bear no names: 0 and 1 are flags, too."""
    values = []
    for one in schema.fields:
        value = field_schema(one)
        values.append({"anyOf": [value, {"enum": [0, 1]}]} if isinstance(one, Flag) else value)
    return {
        "type": "array",
        "description": "The values in the order of the fields",
        "prefixItems": values,
        "minItems": len(values),
        "maxItems": len(values),
    }


def field_schema(one: Field) -> dict[str, Any]:
    """Describe one value of a field.

    What a policy accepts is allowed; what it refuses is not.
    """
    written: dict[str, Any] = {"examples": [one.example]}
    about = ", ".join(text for text in (one.description, one.unit, _accepted(one)) if text)
    if about:
        written["description"] = about
    if isinstance(one, Category):
        written |= _words([*one.categories, *one.synonyms], is_open=one.unknown == "accept")
    elif isinstance(one, Flag):
        words = [{"type": "string", "enum": [*one.synonyms]}] if one.synonyms else []
        # One list of words and truth values would be no type for clients that are generated.
        written |= {"anyOf": [{"type": "boolean"}, *words]} if words else {"type": "boolean"}
    else:
        written["type"] = "integer" if one.integer else "number"
        if one.out_of_range == "refuse":
            ends = {"minimum": one.minimum, "maximum": one.maximum}
            written |= {key: end for key, end in ends.items() if end is not None}
    return _or_null(written) if one.missing == "accept" else written


def _accepted(one: Field) -> str:
    """Say which values are expected where others are taken, too."""
    if isinstance(one, Number) and one.out_of_range == "accept":
        ends = [f"from {one.minimum}"] * (one.minimum is not None)
        ends += [f"to {one.maximum}"] * (one.maximum is not None)
        return " ".join(["expected", *ends]) if ends else ""
    if isinstance(one, Category) and one.unknown == "accept":
        return f"expected are {', '.join(map(str, one.categories[:MOST_SHOWN]))}"
    return ""


def _or_null(written: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in written:
        return {**written, "anyOf": [*written["anyOf"], {"type": "null"}]}
    if "enum" in written:
        written["enum"] = [*written["enum"], None]
    return {**written, "type": [written["type"], "null"]}


def _words(words: list[str], *, is_open: bool) -> dict[str, Any]:
    if is_open:
        return {"type": "string", "examples": words[:MOST_SHOWN]}
    return {"type": "string", "enum": words}
