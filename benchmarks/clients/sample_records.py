"""What the scripts of the clients share: records, right answers, a line per call.

Run in the client's own environment, so it needs the standard library alone.
"""

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

#: Applicants of the model `credit`; the last has no income, which stands for a gap.
RECORDS: list[dict[str, Any]] = [
    {"seniority": 9, "home": "rent", "time": 60, "age": 30, "marital": "married",
     "records": False, "job": "freelance", "expenses": 73, "income": 129.0, "assets": 0.0,
     "debt": 0.0, "amount": 800.0, "price": 846.0},
    {"seniority": 17, "home": "owner", "time": 24, "age": 58, "marital": "widow",
     "records": False, "job": "fixed", "expenses": 48, "income": 131.0, "assets": 3000.0,
     "debt": 0.0, "amount": 1000.0, "price": 1658.0},
    {"seniority": 2, "home": "rent", "time": 36, "age": 24, "marital": "single",
     "records": True, "job": "partime", "expenses": 60, "income": None, "assets": 0.0,
     "debt": 0.0, "amount": 1500.0, "price": 1500.0},
]  # fmt: skip

#: Of `RECORDS[0]`, with an age that the model refuses, and how the refusal says so.
BAD, REFUSAL = {**RECORDS[0], "age": 7}, "is 7, out of range"


class Answers:
    """The right answers: those of this service's own protocol for the same records.

    Attributes
    ----------
    values : list
        The predicted classes.
    shares : list of list of float
        A row of probabilities for each record.
    """

    def __init__(self, address: str, records: list[dict[str, Any]]) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{address}/v0/predict",
            json.dumps(records).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            found = json.load(answer)["predictions"]
        self.values = [one["value"] for one in found]
        self.shares = [list(one["probabilities"].values()) for one in found]


def address() -> str:
    """Give the address of the service, such as ``http://127.0.0.1:8000``."""
    return sys.argv[1].rstrip("/")


@contextmanager
def call(client: str, what: str) -> Iterator[None]:
    """Print one line about a call: it passes when the block ends without an exception.

    Parameters
    ----------
    client : str
        The name of its distribution.
    """
    verdict = "pass"
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the verdict
        verdict = f"{type(error).__name__}: {error}"
    line = {"client": f"{client} {version(client)}", "call": what, "verdict": verdict}
    print(json.dumps(line), flush=True)


def columns(records: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[list[Any]], Any]]:
    """Give an input per field, for a client of tensors: name, datatype, values, NumPy's dtype.

    A gap is NaN where a dtype of floats makes one of None.
    """
    for name in records[0]:
        values = [[record[name]] for record in records]
        kind = {bool: "BOOL", str: "BYTES", int: "INT64"}.get(type(values[0][0]), "FP64")
        yield name, kind, values, {"BYTES": object, "FP64": float}.get(kind)


def expect(right: Any, found: Any) -> None:
    """See that two values are equal.

    Raises
    ------
    ValueError
        When they are not.
    """
    if right != found:
        raise ValueError(f"{found!r} came, {right!r} is right")
