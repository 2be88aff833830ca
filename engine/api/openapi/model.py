"""What a model puts into the API's description: the schemas of its fields, and its example."""

from collections.abc import Mapping
from typing import Any

from engine.records.forms import ANSWER_FORMS
from engine.records.media_types import JSON
from engine.records.rows import MAX_RECORDS
from engine.records.strict_json import write_json
from engine.records.writers import csv_text
from engine.runtime.answers import AnswerColumn, answer_columns, class_name
from engine.runtime.reference import FILE
from engine.schema.card import Card
from engine.schema.fields import Field
from engine.schema.record_schema import UNNAMED, Schema


def model_values(card: Card) -> dict[str, Any]:
    """Return what templates need of a version: its names, its schemas and its example."""
    schema = Schema.from_json(card["schema"])
    columns = answer_columns(card)
    is_number_known = card["classes"] is None or card["has_probabilities"]
    movable = [each.name for each in schema.inputs if each.classes is not None or not each.is_text]
    value = card["example"]["value"]
    return {
        "model": card["model"],
        "version": card["version"],
        "title": card["title"],
        "parameters": [
            "prefer",
            "webhook",
            *(["threshold"] if card.get("request_threshold") else []),
            *(["explain"] if FILE in card.get("files", ()) and is_number_known else []),
            *(["coverage"] if card.get("uncertainty", {}).get("limits") else []),
        ],
        "movable": movable,
        **({"moved": movable[0]} if movable else {}),
        "goal": {"at_least": value} if card["classes"] is None else value,
        "goal_schema": "Reach" if card["classes"] is None else f"{card['model']}_value",
        "record_schema": record_schema(schema),
        "columns_schema": record_schema(schema, is_columns=True),
        "short_answer": _short_answer(card),
        "row_schema": _row_schema(schema),
        "value_schema": _value_schema(columns[0], schema),
        "prediction_schema": _prediction_schema(columns, card),
        "answer_forms": {
            form.media_type: {
                "schema": {"type": "string"}
                | ({"description": form.description} if form.description else {"format": "binary"})
            }
            for form in ANSWER_FORMS.values()
            if form.media_type != JSON
        },
        **_example(card["example"]["record"], schema),
    }


def _example(record: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Write the worked example in every form in which it may be sent."""
    names, row = [*record], [*record.values()]
    line = write_json(record).decode() + "\n"
    return {
        "record": record,
        "row": row,
        "columns": {name: [value] for name, value in record.items()},
        "fields": names,
        "width": len(names),
        "csv": _write_csv(names, row),
        "csv_row": _write_csv(row),
        "line": line,
        "lines": 2 * line,
        "tensors": [
            {
                "name": field.name,
                "shape": [1, 1],
                "datatype": _datatype(field, record.get(field.name)),
                "data": [record.get(field.name)],
            }
            for field in schema.fields
            if record.get(field.name) is not None or field.missing == "accept"
        ],
    }


def _datatype(field: Field, value: Any) -> str:
    """Return a datatype of a value; FP64 takes whole numbers and others, as most clients send."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "FP64" if is_number or field.datatype == "INT64" else field.datatype


def _value_schema(column: AnswerColumn, schema: Schema) -> dict[str, Any]:
    if not column.labels:
        return {"type": "number", "description": schema.target.unit}
    kinds = {bool: "boolean", int: "integer", str: "string"}
    return {"type": kinds[type(column.labels[0])], "enum": [*column.labels]}


def _prediction_schema(columns: tuple[AnswerColumn, ...], card: Card) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for column in columns:
        value = {**column.schema}
        if column.description:
            value["description"] = column.description
        parts = dict.fromkeys(column.keys, value)
        parts |= {name: {"type": "number"} for name in column.constants}
        properties[column.name] = _object(parts) if parts else value
    properties[columns[0].name] = {"$ref": f"#/components/schemas/{card['model']}_value"}
    described = _object(properties)
    added: dict[str, Any] = {"explanation": {"$ref": "#/components/schemas/Explanation"}}
    if card.get("uncertainty"):
        added["unfamiliar"] = {"$ref": "#/components/schemas/Unfamiliar"}
    if card.get("uncertainty", {}).get("limits") and columns[0].labels:
        added["set"] = {"$ref": "#/components/schemas/ClassSet"}
    if card.get("reasons"):
        added["reasons"] = {"type": "array", "items": {"$ref": "#/components/schemas/Contribution"}}
    described["properties"] = properties | added
    return described


def _short_answer(card: Card) -> dict[str, Any]:
    """Describe the answer that the model file declares for the aliases; empty for the full one."""
    if "answer" not in card:
        return {}
    told: dict[str, Any] = {"$ref": f"#/components/schemas/{card['model']}_value"}
    if card["answer"] == "probabilities":
        share = {"type": "number", "minimum": 0, "maximum": 1}
        size = len(card["classes"])
        told = {"type": "array", "items": share, "minItems": size, "maxItems": size}
    many = _object({"predictions": {"type": "array", "items": told}})
    return {"oneOf": [_object({"prediction": told}), many]}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties}


def _write_csv(*rows: list[Any]) -> str:
    cells = [["" if value is None else class_name(value) for value in row] for row in rows]
    return "".join(csv_text(cells))


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
    unnamed = {f"^({UNNAMED.pattern})$": {"type": "array", "description": "Passed over"}}
    return {
        "type": "object",
        "required": [field.name for field in schema.fields if field.missing == "refuse"],
        "properties": properties,
        **({"patternProperties": unnamed} if is_columns else {}),
        "additionalProperties": schema.extras == "ignore",
    }


def _row_schema(schema: Schema) -> dict[str, Any]:
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
