"""Every way in: how records are sent to a running service, and its answers read back."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from tests.support import table_bodies, tensors
from tests.support.answers import read_strictly

Records = Sequence[dict[str, Any]]
Post = Callable[[str, bytes, dict[str, str]], bytes]
MODEL = "audited"
_TABLE = f"/v0/models/{MODEL}/predict"


def ask(way: str, post: Post, records: Records, classes: Sequence[Any] | None) -> list[Any]:
    """Send records one way; return each one's ``value``, and ``probabilities`` if it has any."""
    return WAYS[way](post, records, classes)


def can_carry(way: str, record: dict[str, Any]) -> bool:
    """Return whether a way can carry a record: some tensors have no gaps in words."""
    return None not in record.values() or way not in ("V2", "V2 binary", "SageMaker CSV")


def _of_json(answer: dict[str, Any]) -> dict[str, Any]:
    shares = answer.get("probabilities")
    return {"value": answer["value"], "probabilities": list(shares.values()) if shares else None}


def _singles(post: Post, records: Records, _: Any) -> list[Any]:
    kind = {"Content-Type": "application/json"}
    bodies = [post(_TABLE, json.dumps(record).encode(), kind) for record in records]
    return [_of_json(read_strictly(body)["prediction"]) for body in bodies]


def _of_list(post: Post, records: Records, _: Any) -> list[Any]:
    body = post(_TABLE, json.dumps(list(records)).encode(), {"Content-Type": "application/json"})
    return [*map(_of_json, read_strictly(body)["predictions"])]


def _of_columns(post: Post, records: Records, _: Any) -> list[Any]:
    kind = {"Content-Type": "application/json"}
    body = post(_TABLE, table_bodies.write_columns(records), kind)
    return [*map(_of_json, read_strictly(body)["predictions"])]


def _table(kind: str) -> Callable[..., list[Any]]:
    """Return the way of a form of table, which is answered in the same form (Parquet in JSON)."""
    accept = table_bodies.JSON if kind == table_bodies.PARQUET else kind

    def send(post: Post, records: Records, _: Any) -> list[Any]:
        body = table_bodies.WRITERS[kind](records)
        answer = post(_TABLE, body, {"Content-Type": kind, "Accept": accept})
        return [*map(_of_json, _read(answer, accept))]

    return send


def _read(answer: bytes, kind: str) -> list[dict[str, Any]]:
    if kind == table_bodies.JSON:
        return list(read_strictly(answer)["predictions"])
    if kind == table_bodies.LINES:
        return [*map(read_strictly, answer.splitlines())]
    if kind == table_bodies.CSV:
        text = io.StringIO(answer.decode(), newline="")
        return [*map(table_bodies.as_json, csv.DictReader(text))]
    return [*map(table_bodies.as_json, pa.ipc.open_stream(answer).read_all().to_pylist())]


def _v2(post: Post, records: Records, classes: Any) -> list[Any]:
    body = json.dumps({"inputs": tensors.tensors(records)}).encode()
    return _of_tensors(post(f"/v2/models/{MODEL}/infer", body, {}), classes)


def _v2_binary(post: Post, records: Records, classes: Any) -> list[Any]:
    body, headers = tensors.in_binary({"inputs": tensors.tensors(records)})
    headers["Content-Type"] = "application/octet-stream"
    return _of_tensors(post(f"/v2/models/{MODEL}/infer", body, headers), classes)


def _of_tensors(body: bytes, classes: Sequence[Any] | None) -> list[Any]:
    outputs = {output["name"]: output["data"] for output in read_strictly(body)["outputs"]}
    shares = outputs.get("predict_proba")
    step = len(classes or ())
    return [
        {
            "value": value,
            "probabilities": shares[row * step : row * step + step] if shares else None,
        }
        for row, value in enumerate(outputs["predict"])
    ]


def _values(path: str, write: Callable[[Records], Any]) -> Callable[..., list[Any]]:
    """Return the way of a protocol that answers ``predictions``, a value per record."""

    def send(post: Post, records: Records, _: Any) -> list[Any]:
        kind = {"Content-Type": "application/json"}
        body = post(path, json.dumps(write(records)).encode(), kind)
        values = read_strictly(body)["predictions"]
        return [value if isinstance(value, dict) else {"value": value} for value in values]

    return send


def _split(records: Records) -> dict[str, Any]:
    names = list(records[0])
    rows = [[record[name] for name in names] for record in records]
    return {"dataframe_split": {"columns": names, "data": rows}}


def _sagemaker(post: Post, records: Records, _: Any) -> list[Any]:
    _header, _, rows = table_bodies.write_csv(records).partition(b"\n")
    answer = post("/invocations", rows, {"Content-Type": "text/csv", "Accept": "text/csv"})
    lines = answer.decode().splitlines()
    lines = lines[1:] if lines[0].startswith("value") else lines
    return [{"value": line.split(",")[0]} for line in lines]


WAYS: dict[str, Callable[..., list[Any]]] = {
    "one record": _singles,
    "list": _of_list,
    "columns": _of_columns,
    "CSV": _table(table_bodies.CSV),
    "JSON lines": _table(table_bodies.LINES),
    "Arrow": _table(table_bodies.ARROW),
    "Parquet": _table(table_bodies.PARQUET),
    "V2": _v2,
    "V2 binary": _v2_binary,
    "V1": _values(f"/v1/models/{MODEL}:predict", lambda records: {"instances": list(records)}),
    "MLflow": _values("/invocations", _split),
    "SageMaker CSV": _sagemaker,
}
