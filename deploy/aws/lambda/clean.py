"""Cleans records on their way into the lake: of each, the columns that the table has.

Firehose calls it with a batch and expects an answer to every record of it. What is no JSON
object, or has a value of another type than its column, is kept beside the others as failed.
"""

import base64
import json
import os
from typing import Any

_TYPES = {"int": int, "double": (int, float), "string": str}


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the result of every record of the batch."""
    columns = json.loads(os.environ["COLUMNS"])
    return {"records": [_clean(record, columns) for record in event["records"]]}


def _clean(record: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    answer = {"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]}
    try:
        values = json.loads(base64.b64decode(record["data"]))
        row = {name: values.get(name) for name in columns}
    except (ValueError, AttributeError):
        return answer
    for name, value in row.items():
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, _TYPES[columns[name]])  # type: ignore[arg-type]
        ):
            return answer
    line = json.dumps(row, ensure_ascii=False) + "\n"
    return {**answer, "result": "Ok", "data": base64.b64encode(line.encode()).decode()}
