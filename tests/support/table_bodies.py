"""Tables for the tests: the same records in every form, and answers read back."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from flask.testing import FlaskClient

from tests.support.answers import read_strictly

JSON, CSV, LINES = "application/json", "text/csv", "application/x-ndjson"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"

PARCEL: dict[str, Any] = {
    "weight": 12.5, "pieces": 3, "height": 40.0, "colour": "dark, blue", "shape": "tube",
    "fragile": True, "express": False,
}  # fmt: skip

#: Valid, with gaps, and with two values that the policies accept with a warning.
PARCELS: list[dict[str, Any]] = [
    PARCEL,
    {**PARCEL, "weight": 80, "pieces": 44, "height": None, "colour": "red", "fragile": False},
    {**PARCEL, "weight": 55.25, "colour": "green", "shape": "sack", "express": None},
    {**PARCEL, "colour": "vermelho", "shape": None, "pieces": 51},
]


def write_csv(records: Sequence[dict[str, Any]]) -> bytes:
    """Write a header, and a line for each record."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(records[0])
    for record in records:
        lines.writerow(
            "" if value is None else str(value).lower() if isinstance(value, bool) else value
            for value in record.values()
        )
    return text.getvalue().encode()


def write_lines(records: Sequence[dict[str, Any]]) -> bytes:
    """Write a line of JSON for each record."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def write_arrow(table: Any, *, rows: int | None = None, compression: str | None = None) -> bytes:
    """Write an Arrow stream of a table or of records, in batches of so many rows."""
    table = table if isinstance(table, pa.Table) else pa.Table.from_pylist(table)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def write_parquet(table: Any, **options: Any) -> bytes:
    """Write a Parquet file of a table or of records."""
    table = table if isinstance(table, pa.Table) else pa.Table.from_pylist(table)
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


WRITERS: dict[str, Callable[[Any], bytes]] = {
    CSV: write_csv, LINES: write_lines, ARROW: write_arrow, PARQUET: write_parquet
}  # fmt: skip


def write_columns(records: Sequence[dict[str, Any]]) -> bytes:
    """Write records as JSON columns."""
    return json.dumps({"data": {k: [one[k] for one in records] for k in records[0]}}).encode()


def ask(client: FlaskClient, body: bytes, kind: str, accept: str | None = None, **to: str) -> Any:
    """Post a table to the model ``model``, by default the default one."""
    path = f"/v0/models/{to['model']}/predict" if to else "/v0/predict"
    headers = {} if accept is None else {"Accept": accept}
    return client.post(path, data=body, content_type=kind, headers=headers)


def predictions(answer: Any, form: str) -> list[dict[str, Any]]:
    """Read the predictions of an answer in any form, as JSON has them."""
    assert answer.status_code == 200, answer.data[:1000]
    if form == JSON:
        found: list[dict[str, Any]] = read_strictly(answer.data)["predictions"]
        return found
    if form == LINES:
        lines = map(read_strictly, answer.data.splitlines())
        return [{k: v for k, v in line.items() if k != "warnings"} for line in lines]
    if form == CSV:
        return [as_json(row) for row in csv.DictReader(io.StringIO(answer.text, newline=""))]
    return [as_json(row) for row in pa.ipc.open_stream(answer.data).read_all().to_pylist()]


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a row of an answer into what JSON answers, with values as text."""
    shares = {
        name.removeprefix("probability_"): float(share)
        for name, share in row.items()
        if name.startswith("probability_")
    }
    if "interval_low" in row:
        ends = {end: float(row[f"interval_{end}"]) for end in ("low", "high")}
        return {"value": row["value"], "interval": {**ends, "coverage": 0.9}}
    if not shares:
        return {"value": row["value"]}
    probability = float(row["probability"])
    return {"value": row["value"], "probability": probability, "probabilities": shares}
