"""What the scripts of this room share: asking the service, and saying what became of a call.

They run in the environments of the clients, so this needs nothing but Python.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple


class Got(NamedTuple):
    """An answer over HTTP."""

    status: int
    kind: str
    body: bytes


def tell(client: str, call: str, holds: Callable[[], bool]) -> bool:
    """Print what became of a call, as one line of JSON; tell whether it passed."""
    try:
        verdict = "pass" if holds() else "another answer than that of /v0/predict"
    except Exception as error:  # noqa: BLE001  whatever a client raises is its verdict
        verdict = f"{type(error).__name__}: {error}"[:500]
    print(json.dumps({"client": client, "call": call, "verdict": verdict}), flush=True)
    return verdict == "pass"


def refuses(call: Callable[[], Any], words: str, kind: type[Exception] = Exception) -> bool:
    """Tell whether a call raises an error of this kind with these words."""
    try:
        call()
    except kind as error:
        return words in str(error)
    return False


def http(address: str, body: bytes | None = None, **headers: str) -> Got:
    """Get an address, or post to it; underscores of header names stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = urllib.request.Request(address, body, named)  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
            return Got(answer.status, answer.headers.get("Content-Type", ""), answer.read())
    except urllib.error.HTTPError as error:
        return Got(error.code, error.headers.get("Content-Type", ""), error.read())


def read_example(address: str) -> dict[str, Any]:
    """Give the example record of the default model."""
    document = json.loads(http(f"{address}/openapi.json").body)
    body = document["paths"]["/v0/predict"]["post"]["requestBody"]
    found: dict[str, Any] = body["content"]["application/json"]["examples"]["one"]["value"]
    return found


def predict(address: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the predictions of ``/v0/predict``."""
    body = json.dumps(records).encode()
    got = http(f"{address}/v0/predict", body, Content_Type="application/json")
    found: list[dict[str, Any]] = json.loads(got.body)["predictions"]
    return found


def credit_records(address: str) -> list[dict[str, Any]]:
    """Give two records of the credit model: its example, and one with gaps."""
    example = read_example(address)
    return [example, {**example, "income": None, "home": None, "seniority": 0, "records": True}]
