"""The same fitted pipeline under MLflow's scoring server and under this service.

    .bench/environments/<name>/bin/python benchmarks/clients/mlflow_differential_client.py ADDRESS

The pipeline is read from the stored version that ADDRESS serves, in the folder
that MODEL_STORE names, and logged with a signature. It prints one JSON object
a line: client, call, verdict, and the status of either side. A call passes when
this service answers the status that it ought to, and the same predictions
where both answer 200.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.clients.check_line import Got, credit_records, http  # noqa: E402

_START_SECONDS = 180
_NAN = float("nan")


class Sent(NamedTuple):
    """A body, and the status that this service ought to answer."""

    call: str
    status: int
    body: bytes
    kind: str = "application/json"


def main(address: str) -> int:
    """Ask both; give the number of differences between what both answer."""
    served = json.loads(http(f"{address}/v0/model_info").body)["model"]
    store = Path(os.environ.get("MODEL_STORE") or ROOT / "artifacts")
    folder = store / served["name"] / served["version"]
    card = json.loads((folder / "card.json").read_text())
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        log_pipeline(folder, card, model)
        with mlflow_server(model, Path(scratch)) as other:
            for sent in bodies(credit_records(address)):
                ours = http(f"{address}/invocations", sent.body, Content_Type=sent.kind)
                theirs = http(f"{other}/invocations", sent.body, Content_Type=sent.kind)
                verdict = compare(sent, ours, theirs, card["classes"])
                failures += verdict != "pass"
                line = {"client": f"mlflow {version('mlflow')} models serve", "call": sent.call}
                statuses = {"mlflow": theirs.status, "ours": ours.status}
                print(json.dumps({**line, "verdict": verdict, **statuses}), flush=True)
    return failures


def compare(sent: Sent, ours: Got, theirs: Got, classes: list[Any]) -> str:
    """Say in a word what the two answers make of each other."""
    if ours.status != sent.status:
        return f"{ours.status} in place of {sent.status}: {ours.body[:200].decode()}"
    if ours.status == theirs.status == 200:
        mine, other = (json.loads(one.body)["predictions"] for one in (ours, theirs))
        values = other if classes is None else [classes[int(one)] for one in other]
        return "pass" if mine == values else "other predictions"
    return "pass"


def log_pipeline(folder: Path, card: dict[str, Any], model: Path) -> None:
    """Save the fitted pipeline of a version as MLflow does, with the schema as its signature."""
    import mlflow
    import skops.io
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    file = folder / "model.skops"
    trusted = skops.io.get_untrusted_types(file=file)  # our own file, made on this machine
    pipeline = skops.io.load(file, trusted=trusted)
    kinds = {"number": "double", "flag": "boolean", "category": "string"}
    columns = [
        ColSpec(kinds[one["kind"]], one["name"], required=one["missing"] == "refuse")
        for one in card["schema"]["fields"]
    ]
    mlflow.sklearn.save_model(
        pipeline, str(model), signature=ModelSignature(inputs=Schema(columns)),
        serialization_format="cloudpickle", pip_requirements=[],
    )  # fmt: skip


@contextmanager
def mlflow_server(model: Path, scratch: Path) -> Iterator[str]:
    """Run ``mlflow models serve`` on a free port; give its address."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    folder = Path(sys.executable).parent
    command = [
        str(folder / "mlflow"), "models", "serve", "--model-uri", str(model), "--env-manager",
        "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    variables = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=scratch, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        end = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError):
                if http(f"http://127.0.0.1:{port}/ping").status == 200:
                    break
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"mlflow did not start: {(scratch / 'log').read_text()[-2000:]}")
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(30)


def bodies(records: list[dict[str, Any]]) -> Iterator[Sent]:
    """Write the records in every form, and bodies that are wrong."""
    names, rows = list(records[0]), [[*one.values()] for one in records]
    yield from good(records, names, rows)
    yield from bad_values(records[0])
    yield from bad_forms(records, names, rows)


def good(records: list[dict[str, Any]], names: list[str], rows: list[Any]) -> Iterator[Sent]:
    """Write what ought to be answered."""
    first, turned = records[0], [dict(reversed([*one.items()])) for one in records]
    columns = {name: [one[name] for one in records] for name in names}
    split = {"columns": names, "data": rows}
    yield of("dataframe_split", {"dataframe_split": split})
    yield of("dataframe_split with an index", {"dataframe_split": {**split, "index": [5, "b"]}})
    yield of("dataframe_split of one row", {"dataframe_split": {**split, "data": rows[:1]}})
    yield of("dataframe_split of 500 rows", {"dataframe_split": {**split, "data": rows * 250}})
    back = {"columns": names[::-1], "data": [one[::-1] for one in rows]}
    yield of("dataframe_split, columns reordered", {"dataframe_split": back})
    missing = [[_NAN if one is None else one for one in rows[0]]]
    missing[0][names.index("income")] = _NAN
    yield of("dataframe_split with NaN", {"dataframe_split": {"columns": names, "data": missing}})
    yield of("dataframe_records", {"dataframe_records": records})
    yield of("dataframe_records of one", {"dataframe_records": [first]})
    yield of("dataframe_records, keys reordered", {"dataframe_records": turned})
    yield of("dataframe_records with NaN", {"dataframe_records": [{**first, "income": _NAN}]})
    short = {name: value for name, value in first.items() if name not in ("home", "income")}
    yield of("dataframe_records without optional keys", {"dataframe_records": [short]})
    yield of("dataframe_records, whole numbers as floats", {
        "dataframe_records": [{**first, "age": 30.0, "time": 60.0}]})  # fmt: skip
    yield of("instances of records", {"instances": records})
    yield of("instances of one record", {"instances": [first]})
    yield of("inputs of columns", {"inputs": columns})
    yield of("inputs of records", {"inputs": records})
    yield of("inputs, params of nothing", {"inputs": records, "params": {}})
    yield of("inputs, params null", {"inputs": records, "params": None})
    table = csv_of(records)
    yield Sent("text/csv", 200, table, "text/csv")
    yield Sent("text/csv; charset=utf-8", 200, table, "text/csv; charset=utf-8")
    yield Sent("text/csv, columns reordered", 200, csv_of(turned), "text/csv")
    yield Sent("text/csv of 500 rows", 200, csv_of(records * 250), "text/csv")
    yield of("a charset", {"inputs": records}, kind="application/json; charset=utf-8")


def bad_values(first: dict[str, Any]) -> Iterator[Sent]:
    """Write records with a fault each."""
    faults: dict[str, dict[str, Any]] = {
        "text for a number": {"age": "thirty"},
        "a number in quotes": {"age": "30"},
        "an unknown word": {"job": "astronaut"},
        "a number out of range": {"age": 7},
        "half a year": {"age": 30.5},
        "null where a value is needed": {"age": None},
        "Infinity": {"income": float("inf")},
        "1 for a flag": {"records": 1},
        "a list for a number": {"age": [30]},
        "an extra key": {"shoe_size": 44},
    }
    for what, changes in faults.items():
        yield of(what, {"dataframe_records": [{**first, **changes}]}, status=400)
    short = {name: value for name, value in first.items() if name != "age"}
    yield of("a key left out", {"dataframe_records": [short]}, status=400)


def bad_forms(records: list[dict[str, Any]], names: list[str], rows: list[Any]) -> Iterator[Sent]:
    """Write bodies that are no invocation, or hardly one."""
    for what, value in {
        "two forms": {"inputs": records, "instances": records},
        "no form": {"data": records},
        "an empty object": {},
        "a number": 3,
        "dataframe_split without data": {"dataframe_split": {"columns": names}},
        "dataframe_split with another key": {
            "dataframe_split": {"columns": names, "data": rows, "dtype": "float"}
        },
        "dataframe_split with too short a row": {
            "dataframe_split": {"columns": names, "data": [rows[0][:3]]}
        },
        "an empty frame": {"dataframe_split": {"columns": names, "data": []}},
        "dataframe_records of columns": {"dataframe_records": {"age": [30]}},
        "columns of different lengths": {"inputs": {"age": [30, 31], "time": [60]}},
        "instances of numbers": {"instances": [1, 2]},
        "signature_name": {"instances": records, "signature_name": "serving_default"},
        "unknown params": {"inputs": records, "params": {"temperature": 1}},
    }.items():
        yield of(what, value, status=400)
    yield of("a list without a key", records)
    yield of("inputs of rows without names", {"inputs": rows})
    yield Sent("no JSON", 400, b"{")
    yield Sent("an empty body", 400, b"")
    yield Sent("no UTF-8", 400, b'{"inputs": "\xff"}')
    yield Sent("CSV of a header alone", 400, csv_of(records).splitlines()[0] + b"\n", "text/csv")
    yield Sent("CSV without a header", 200, csv_of(records).partition(b"\n")[2], "text/csv")
    yield Sent("text/plain", 415, b"hello", "text/plain")
    for parameter in ("charset=latin-1", "v=1"):
        kind = f"application/json; {parameter}"
        yield of(f"the parameter {parameter}", {"inputs": records}, status=415, kind=kind)


def of(call: str, value: Any, *, status: int = 200, kind: str = "application/json") -> Sent:
    """Write a body of JSON, with NaN as Python writes it."""
    return Sent(call, status, json.dumps(value).encode(), kind)


def csv_of(records: list[dict[str, Any]]) -> bytes:
    """Write CSV as pandas does."""
    import pandas as pd

    return str(pd.DataFrame(records).to_csv(index=False)).encode()


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1].rstrip("/")) else 0)
