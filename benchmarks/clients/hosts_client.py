"""What SageMaker and Vertex AI ask of a container, over plain HTTP.

    .bench/environments/<name>/bin/python benchmarks/clients/hosts_client.py ADDRESS

The routes of Vertex AI are those of AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE in
the environment, with which the service has to run too; they are left out
where these are not set. It prints one JSON object a line: client, call,
verdict. What is expected comes from ``POST /v0/predict`` of the same records.
"""

import json
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.clients.check_line import Got, credit_records, http, predict, tell

JSON_LINES, NPY = "application/jsonlines", "application/x-npy"

#: How long SageMaker and Vertex AI wait for an answer about health, in seconds.
_PING_SECONDS, _HEALTH_SECONDS = 2, 10


def main(address: str) -> int:
    """Ask as the platforms do; give the number of failures."""
    records = credit_records(address)
    expected = predict(address, records)
    calls = {("SageMaker", call): holds for call, holds in sagemaker(address, records, expected)}
    health, path = (os.environ.get(f"AIP_{one}_ROUTE", "") for one in ("HEALTH", "PREDICT"))
    if health and path:
        routes = f"{address}{health}", f"{address}{path}"
        calls |= {("Vertex AI", call): holds for call, holds in vertex(*routes, records, expected)}
    return sum(not tell(f"{host} contract", call, holds) for (host, call), holds in calls.items())


def sagemaker(
    address: str, records: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> list[tuple[str, Callable[[], bool]]]:
    """List what SageMaker asks."""
    where, values = f"{address}/invocations", [one["value"] for one in expected]
    rows = "".join(",".join(map(cell, one.values())) + "\n" for one in records).encode()
    table = (",".join(records[0]) + "\n").encode() + rows
    faulty = rows.replace(b",30,", b",7,").replace(b",7,", b",30,", 1)
    lines = "".join(json.dumps(one) + "\n" for one in records).encode()
    instances = json.dumps({"instances": records}).encode()
    unnamed = json.dumps([[*one.values()] for one in records]).encode()

    def ask(body: bytes, kind: str, **headers: str) -> Got:
        return http(where, body, Content_Type=kind, **headers)

    def same(body: bytes, kind: str) -> bool:
        return bool(json.loads(ask(body, kind).body)["predictions"] == values)

    written = "".join(f"{json.dumps(one)}\n" for one in values).encode()
    objects = [json.dumps(one, separators=(",", ":")).encode() for one in expected]
    as_lines = {"Accept": JSON_LINES}
    return [
        ("GET /ping within 2 s", lambda: within(f"{address}/ping", _PING_SECONDS)),
        ("GET /execution-parameters", lambda: describes_batches(address)),
        ("text/csv without a header", lambda: same(rows, "text/csv")),
        ("text/csv with a header", lambda: same(table, "text/csv")),
        ("text/csv; header=absent", lambda: same(rows, "text/csv; header=absent")),
        ("text/csv; header=present", lambda: same(table, "text/csv; header=present")),
        ("CSV for CSV", lambda: ask(rows, "text/csv", Accept="text/csv").body == written),
        (JSON_LINES, lambda: same(lines, JSON_LINES)),
        ("lines for lines", lambda: ask(lines, JSON_LINES, **as_lines).body.split() == objects),
        ("application/json, instances", lambda: same(instances, "application/json")),
        ("application/json, a list of rows", lambda: same(unnamed, "application/json")),
        ("x-npy of another width is refused", lambda: ask(npy(3), NPY).status == 400),
        ("another content type is refused", lambda: ask(rows, "image/png").status == 415),
        ("a faulty row is named", lambda: b"/1/age is 7" in ask(faulty, "text/csv").body),
    ]


def vertex(
    health: str, path: str, records: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> list[tuple[str, Callable[[], bool]]]:
    """List what Vertex AI asks."""

    def ask(body: Any) -> Any:
        got = http(path, json.dumps(body).encode(), Content_Type="application/json")
        return json.loads(got.body)

    rows = [[*one.values()] for one in records]
    named = "/instances/1/age is 7"
    return [
        ("GET health within 10 s", lambda: within(health, _HEALTH_SECONDS)),
        ("instances of records", lambda: ask({"instances": records}) == {"predictions": expected}),
        ("instances of rows", lambda: ask({"instances": rows}) == {"predictions": expected}),
        (
            "instances and empty parameters",
            lambda: ask({"instances": records, "parameters": {}})["predictions"] == expected,
        ),
        (
            "500 instances, in order",
            lambda: ask({"instances": records * 250})["predictions"] == expected * 250,
        ),
        (
            "a faulty instance is named",
            lambda: (
                named
                in ask({"instances": [records[0], {**records[1], "age": 7}]})["error"]["message"]
            ),
        ),
    ]


def within(address: str, seconds: float) -> bool:
    """Tell whether an address answers 200 in time, ten times."""
    for _ in range(10):
        begun = time.monotonic()
        status = http(address).status
        if status != 200 or time.monotonic() - begun > seconds:
            return False
    return True


def describes_batches(address: str) -> bool:
    """Tell whether the parameters are those that SageMaker takes, within its limit."""
    found = json.loads(http(f"{address}/execution-parameters").body)
    size = found["MaxConcurrentTransforms"] * found["MaxPayloadInMB"]
    return bool(found["BatchStrategy"] == "MULTI_RECORD" and 0 < size <= 100)


def cell(value: Any) -> str:
    """Write a cell as SageMaker's serializer does: what Python says of the value."""
    return "" if value is None else str(value)


def npy(width: int) -> bytes:
    """Write a NumPy array of one row of zeros."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': (1, {width}), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(8 * width)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1].rstrip("/")) else 0)
