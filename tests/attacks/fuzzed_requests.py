"""Made-up requests: good ones of every route and form, changed; and how answers are judged."""

import json
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from hypothesis import strategies as st

from tests.attacks.contract import VERTEX
from tests.support.answers import read_strictly
from tests.support.models import EXAMPLES
from tests.support.table_bodies import (
    ARROW,
    CSV,
    JSON,
    LINES,
    PARCEL,
    PARQUET,
    WRITERS,
    write_columns,
)
from tests.support.tensors import in_binary, tensors

#: Routes that are declared and not done here.
NOT_DONE = (":explain", "/load", "/unload")
MLFLOW = ("/invocations", "/ping", "/version", "/execution-parameters")


class Fuzzed(NamedTuple):
    """A request as it is sent."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


def _write(value: Any) -> bytes:
    return json.dumps(value).encode()


def _npy() -> bytes:
    values = np.array([[1.5, 2.0]])
    header = str({"descr": "<f8", "fortran_order": False, "shape": (1, 2)}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + header.encode() + values.tobytes()


_BINARY, _LENGTH = in_binary({"inputs": tensors([PARCEL, PARCEL])})
_ROWS = [list(PARCEL.values())]
_SPLIT = {"columns": [*PARCEL], "data": _ROWS}
_PREDICT = ["/v0/predict", "/v0/models/parcel/predict", "/inference/parcel", "/inference/rent",
            "/v0/models/nobody/predict", "/v0/models/parcel/versions/x/predict"]  # fmt: skip

#: Good requests: where to, headers, body.
GOOD: list[tuple[list[str], dict[str, str], bytes]] = [
    *((_PREDICT, {"Content-Type": JSON}, _write(one))
      for one in (PARCEL, [PARCEL, PARCEL], EXAMPLES["rent"], _write(PARCEL).decode())),
    (_PREDICT, {"Content-Type": JSON}, write_columns([PARCEL, PARCEL])),
    *(([*_PREDICT, "/invocations"], {"Content-Type": kind}, WRITERS[kind]([PARCEL, PARCEL]))
      for kind in (CSV, LINES, ARROW, PARQUET)),
    *((["/invocations"], {"Content-Type": JSON}, _write(one))
      for one in ({"dataframe_split": _SPLIT}, {"dataframe_records": [PARCEL]},
                  {"inputs": {name: [one] for name, one in PARCEL.items()}}, _ROWS)),
    (["/invocations"], {"Content-Type": "application/x-npy"}, _npy()),
    (["/predict"], {"Content-Type": JSON}, _write([PARCEL])),
    ([VERTEX["aip_predict_route"], "/v1/models/parcel:predict", "/invocations"],
     {"Content-Type": JSON}, _write({"instances": [PARCEL, *_ROWS]})),
    (["/v1/models/parcel:explain", "/v2/repository/models/parcel/load"], {}, b"{}"),
    (["/v2/models/parcel/infer", "/v2/models/rent/infer", "/v2/models/parcel/versions/x/infer"],
     {}, _write({"id": "1", "inputs": tensors([PARCEL]), "outputs": [{"name": "predict"}]})),
    (["/v2/models/parcel/infer"], {"Content-Type": "application/octet-stream", **_LENGTH}, _BINARY),
    (["/v2/repository/index"], {"Content-Type": JSON}, b'{"ready": true}'),
]  # fmt: skip

GETS = ["/", "/docs", "/openapi.json", "/health", "/livez", "/readyz", "/metrics", "/ping",
         "/version", "/execution-parameters", VERTEX["aip_health_route"], "/v0/models",
         "/v0/models/parcel", "/v0/models/parcel/versions", "/v0/model_info", "/v1/models",
         "/v0/models/parcel/versions/x/model_info", "/v1/models/parcel", "/v2", "/v2/models",
         "/v2/health/ready", "/v2/models/parcel", "/v2/models/parcel/ready",
        "/v0/models/parcel/predictions"]  # fmt: skip

_ODD = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"),
               max_size=12)  # fmt: skip
_KINDS = st.sampled_from([JSON, CSV, LINES, ARROW, PARQUET, "application/x-npy", "text/plain", "",
                          "application/octet-stream", "application/jsonlines", "a/b; charset=x",
                          "application/json; charset=latin-1", "text/csv; header=absent",
                          "multipart/form-data; boundary=x", ";", "*/*"])  # fmt: skip
_HEADERS: dict[str, st.SearchStrategy[str]] = {
    "Content-Type": _KINDS | _ODD,
    "Accept": _KINDS | _ODD | st.sampled_from(["*/*;q=0", "text/csv;q=2", "text/csv;q=x"]),
    "Content-Encoding": st.sampled_from(["gzip", "deflate", "br", "identity", "gzip, gzip"]) | _ODD,
    "Inference-Header-Content-Length": st.sampled_from(["0", "-1", "9" * 30, "1.0", "\xb2"]) | _ODD,
    "X-Request-Id": _ODD,
    "traceparent": _ODD | st.just("00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
    "X-Server-Timing": st.sampled_from(["true", "1", ""]),
    "x-api-key": _ODD,
    "Authorization": _ODD | st.just("Bearer x"),
    "Idempotency-Key": _ODD,
    "If-None-Match": _ODD | st.just("*"),
    "Range": st.sampled_from(["bytes=0-1", "bytes=9-1", "x"]),
}
_PIECES = [b"NaN", b"Infinity", b"null", b"[", b"{", b'"', b"\\ud800", b"\xff", b"\x00", b"\n",
           b"1e400", b"-0", b"9" * 400, b"[" * 3000, b'{"a":' * 3000, b"x" * 100_000, b",,", b"\r",
           b'"weight":1,', b"\xef\xbb\xbf", b"true", b"[[]]", b"{}"]  # fmt: skip


@st.composite
def fuzzed(draw: st.DrawFn) -> Fuzzed:
    """Draw a request: a good one of any route, some of it changed."""
    is_post = draw(st.integers(0, 5)) > 0
    paths, headers, body = draw(st.sampled_from(GOOD)) if is_post else (GETS, {}, b"")
    path, method = draw(st.sampled_from(paths)), "POST" if is_post else "GET"
    if draw(st.integers(0, 9)) == 0:
        odd = draw(st.text(min_size=1, max_size=8) | st.sampled_from(["..", "%", "x" * 3000, ":"]))
        steps = path.split("/")
        steps[draw(st.integers(1, len(steps) - 1))] = quote(odd, safe="")
        path = "/".join(steps)
    if draw(st.integers(0, 14)) == 0:
        method = draw(st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "ODD"]))
    query = quote(draw(st.text(max_size=6))) if draw(st.integers(0, 14)) == 0 else ""
    headers = dict(headers)
    for name in draw(st.lists(st.sampled_from(sorted(_HEADERS)), max_size=2, unique=True)):
        headers[name] = draw(_HEADERS[name]).strip()
    return Fuzzed(method, path, query, headers, _changed(draw, body))


def _changed(draw: st.DrawFn, body: bytes) -> bytes:
    """Change some bytes, and the length that tensors claim with them only by chance."""
    found = bytearray(body)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(found)))
        to = at + draw(st.sampled_from([0, 0, 1, 2, 5, 40]))
        found[at:to] = draw(st.sampled_from(_PIECES) | st.binary(max_size=3))
    return bytes(found)


def judge(asked: Fuzzed, status: int, content_type: str, body: bytes) -> None:
    """See that no answer is a server's error, and that each has its protocol's form."""
    if status == 501:
        assert asked.path.endswith(NOT_DONE)
    else:
        assert status < 500, body
    if not body or asked.method == "HEAD":
        return
    value = None
    if "json" in content_type and "x-nd" not in content_type and "lines" not in content_type:
        value = read_strictly(body) if body.strip() else None
    if status >= 400:
        _judge_failure(asked.path, status, content_type, value)


def _judge_failure(path: str, status: int, content_type: str, value: Any) -> None:
    if _is_at(path, "/v1", "/v2"):
        assert ["error"] == list(value)
    elif _is_at(path, *VERTEX.values()):
        assert {"code", "message", "status"} == set(value["error"])
        assert status == value["error"]["code"]
    elif _is_at(path, "/predict") or (_is_at(path, *MLFLOW) and status == 415):
        assert "text/plain; charset=utf-8" == content_type
    elif _is_at(path, *MLFLOW):
        assert {"error_code", "message"} == set(value)
    else:
        assert "application/problem+json" == content_type
        assert {"type", "title", "status", "detail", "request_id"} <= set(value)
        assert status == value["status"]


def _is_at(path: str, *prefixes: str) -> bool:
    return any(f"{path}/".startswith(f"{one}/") for one in prefixes)
