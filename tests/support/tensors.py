"""How the tests write requests of the Open Inference Protocol."""

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.answers import read_strictly

DTYPES = {
    "BOOL": "?", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "<u1",
    "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


def tensor(name: str, values: Sequence[Any], datatype: str = "", **parameters: Any) -> Any:
    """Write an input of shape [n, 1]."""
    first = next((one for one in values if one is not None), 0.0)
    datatype = datatype or {bool: "BOOL", str: "BYTES"}.get(type(first), "FP64")
    found = {"name": name, "shape": [len(values), 1], "datatype": datatype, "data": list(values)}
    return found | ({"parameters": parameters} if parameters else {})


def tensors(records: Sequence[dict[str, Any]]) -> list[Any]:
    return [tensor(name, [one[name] for one in records]) for name in records[0]]


def buffer(values: Sequence[Any], datatype: str) -> bytes:
    """Write values as the binary extension has them."""
    if datatype == "BYTES":
        texts = [one.encode() if isinstance(one, str) else one for one in values]
        return b"".join(struct.pack("<I", len(one)) + one for one in texts)
    return np.array([np.nan if one is None else one for one in values], DTYPES[datatype]).tobytes()


def in_binary(request: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Move the values of every input behind the JSON; give body and headers."""
    buffers, inputs = [], []
    for one in request["inputs"]:
        buffers.append(buffer(one["data"], one["datatype"]))
        size = {"binary_data_size": len(buffers[-1])}
        parameters = one.get("parameters", {}) | size
        inputs.append({**{key: one[key] for key in ("name", "shape", "datatype")},
                       "parameters": parameters})  # fmt: skip
    text = json.dumps({**request, "inputs": inputs}).encode()
    return b"".join([text, *buffers]), {"Inference-Header-Content-Length": str(len(text))}


def infer(
    client: FlaskClient, inputs: Any, *, model: str = "parcel", path: str = "", **others: Any
) -> TestResponse:
    """Ask a model, with no content type, as the clients do."""
    body = json.dumps({"inputs": inputs, **others})
    return client.post(path or f"/v2/models/{model}/infer", data=body)


def good(answer: TestResponse) -> Any:
    """Give the body of a 200."""
    assert 200 == answer.status_code, answer.text
    assert "application/json" == answer.content_type
    return read_strictly(answer.data)


def refused(answer: TestResponse, status: int = 400) -> str:
    """Check that a failure has the protocol's form; give its text."""
    body = read_strictly(answer.data)

    assert status == answer.status_code, body
    assert "application/json" == answer.content_type
    assert ["error"] == list(body)
    text: str = body["error"]
    assert text and "\n" not in text
    return text
