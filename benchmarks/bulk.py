"""Many records in one request, in every form that the service reads: what a row costs.

    python -m benchmarks.bulk           10,000 records; prints a table

The application is asked in this process, without HTTP.
"""

import argparse
import io
import json
import os
import struct
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.page import figure, table
from benchmarks.peers import write_split
from benchmarks.questions import MODEL, STORE, prepare
from benchmarks.ways import columns, nested, write_columns, write_csv, write_lines, write_list

_JSON, _PREDICT = "application/json", f"/v0/models/{MODEL}/predict"


class Request(NamedTuple):
    """A request with many records.

    Attributes
    ----------
    headers : mapping
        Further ones, beside the media type of the body.
    """

    path: str
    body: bytes
    media_type: str = _JSON
    headers: Mapping[str, str] = {}


def requests(records: Sequence[Mapping[str, Any]]) -> dict[str, Request]:
    """Write records in every form, by what it is called."""
    cells = columns(records)
    instances, tensors = nested(write_list, "instances")(records), _tensors(cells)
    infer = f"/v2/models/{MODEL}/infer"
    return {
        "JSON columns": Request(_PREDICT, nested(write_columns, "data")(records)),
        "JSON list": Request(_PREDICT, write_list(records)),
        "JSON lines": Request(_PREDICT, write_lines(records), "application/x-ndjson"),
        "CSV": Request(_PREDICT, write_csv(records), "text/csv"),
        "CSV, answer CSV": Request(
            _PREDICT, write_csv(records), "text/csv", {"Accept": "text/csv"}
        ),
        "Arrow": Request(_PREDICT, _arrow(cells), "application/vnd.apache.arrow.stream"),
        "V1": Request(f"/v1/models/{MODEL}:predict", instances),
        "V2": Request(infer, json.dumps({"inputs": tensors}).encode()),
        "V2, binary": _binary(infer, cells),
        "MLflow records": Request("/invocations", nested(write_list, "dataframe_records")(records)),
        "MLflow split": Request("/invocations", write_split(records)),
    }


def _arrow(cells: Mapping[str, Sequence[Any]]) -> bytes:
    import pyarrow as pa

    content, rows = io.BytesIO(), pa.table(dict(cells))
    with pa.ipc.new_stream(content, rows.schema) as stream:
        stream.write_table(rows)
    return content.getvalue()


def _tensors(cells: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    datatypes = {str: "BYTES", bool: "BOOL"}
    return [
        {
            "name": name, "shape": [len(values), 1],
            "datatype": datatypes.get(type(values[0]), "FP64"), "data": [*values],
        }
        for name, values in cells.items()
    ]  # fmt: skip


def _binary(path: str, cells: Mapping[str, Sequence[Any]]) -> Request:
    parts, tensors = [], []
    for tensor in _tensors(cells):
        values = tensor.pop("data")
        if tensor["datatype"] == "BYTES":
            words = [word.encode() for word in values]
            part = b"".join(struct.pack("<I", len(word)) + word for word in words)
        else:
            part = np.array(values, "?" if tensor["datatype"] == "BOOL" else "<f8").tobytes()
        parts.append(part)
        tensors.append(tensor | {"parameters": {"binary_data_size": len(part)}})
    head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return Request(path, head + b"".join(parts), "application/octet-stream", length)


def measure(forms: Mapping[str, Request], rounds: int) -> dict[str, tuple[float, float]]:
    """Ask in turn, so many times; give the median seconds, by the clock and of CPU."""
    os.environ |= {"MODEL_STORE": str(STORE), "DEFAULT_MODEL": MODEL, "TRAIN_IF_ABSENT": "false"}
    from app import app

    client = app.test_client()
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    for _ in range(rounds + 1):
        for name, (path, body, media_type, headers) in forms.items():
            clock, cpu = time.perf_counter(), time.process_time()
            answer = client.post(path, data=body, content_type=media_type, headers=headers)
            if answer.status_code != 200:
                raise ValueError(f"{name} is answered {answer.status_code}: {answer.text[:300]}")
            spent[name].append((time.perf_counter() - clock, time.process_time() - cpu))
    # The first answer of each brings what the libraries load and keep.
    return {name: tuple(map(median, zip(*each[1:], strict=True))) for name, each in spent.items()}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="What a row costs in each form.")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    records = prepare().records
    records = (records * (options.rows // len(records) + 1))[: options.rows]
    forms = requests(records)
    spent = measure(forms, options.rounds)
    print(machine.describe())
    rows = [
        (name, figure(len(records) / clock), figure(cpu / len(records) * 1e6),
         f"{len(forms[name].body) / len(records):.0f}")
        for name, (clock, cpu) in spent.items()
    ]  # fmt: skip
    print(table((f"{len(records):,} records", "rows/s", "µs of CPU a row", "bytes a row"), rows))


if __name__ == "__main__":
    main()
