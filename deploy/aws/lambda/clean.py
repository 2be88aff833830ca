"""Cleans records on their way into the lake: keeps of each the columns that the table has.

Firehose calls it with a batch and expects an answer to each record of it. A record that is not
a JSON object, or has a value of another type than its column, is stored apart as failed.
"""

import base64
import json
import os
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {"bigint": (int,), "double": (int, float), "string": (str,)}


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the result of each record of the batch."""
    columns = json.loads(os.environ["COLUMNS"])
    return {"records": [_clean(record, columns) for record in event["records"]]}


def _clean(record: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    answer = {"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]}
    try:
        values = json.loads(base64.b64decode(record["data"]), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return answer
    if not isinstance(values, dict):
        return answer
    row = {name: values.get(name) for name in columns}
    if not all(_fits(value, columns[name]) for name, value in row.items()):
        return answer
    line = json.dumps(row, ensure_ascii=False) + "\n"
    data = base64.b64encode(line.encode(errors="replace")).decode()
    return {**answer, "result": "Ok", "data": data}


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _fits(value: Any, kind: str) -> bool:
    return value is None or (isinstance(value, _TYPES[kind]) and not isinstance(value, bool))
