"""Everything that the audited service is asked: every route and method, with every gadget."""

import json
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import NamedTuple
from urllib.parse import quote

from tests.attacks.fuzzed_requests import NOT_DONE
from tests.attacks.gadget_bodies import Gadget
from tests.support.raw_http import Answer, connect, read_answer, request
from tests.support.table_bodies import ARROW, CSV, JSON, LINES, PARCEL, PARQUET
from tests.support.tensors import tensors

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")

TYPES = (
    JSON, CSV, LINES, ARROW, PARQUET, "", "application/x-npy", "application/octet-stream",
    "application/jsonlines", "application/pickle", "application/x-pickle",
    "application/python-pickle", "application/x-python-serialize", "application/x-joblib",
    "application/x-dill", "application/vnd.bentoml+pickle", "application/x-msgpack",
    "application/yaml", "text/yaml", "application/xml", "application/pmml+xml", "image/svg+xml",
    "application/zip", "application/gzip", "application/onnx", "application/x-hdf5",
    "application/x-java-serialized-object", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "text/html", "*/*", f"{JSON}, application/x-pickle",
    f"{JSON}; charset=utf-7", f"{JSON}; charset=idna", "text/csv; charset=unicode_escape",
    "text/csv; charset=zlib_codec", f"{JSON}; charset=os", "text/csv; header=absent",
)  # fmt: skip

#: What gadgets are honestly called, by the first word of their names.
KINDS = {
    "json": JSON, "npy": "application/x-npy", "npz": "application/x-npy", "yaml": "text/yaml",
    "pickle": "application/x-pickle", "joblib": "application/x-joblib", "xml": "application/xml",
    "onnx": "application/onnx", "arrow": ARROW, "parquet": PARQUET, "zip": "application/zip",
}  # fmt: skip

ENCODINGS = ("gzip", "deflate", "br", "pickle", "gzip, gzip", "identity")

#: Headers that some server or proxy obeys, or that a careless one would put into text.
HEADERS = (
    "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "Referer",
    "Origin", "Host", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-For",
    "User-Agent", "Accept", "Accept-Language", "Accept-Charset", "Cookie", "Authorization",
    "x-api-key", "X-Request-Id", "Idempotency-Key", "traceparent", "If-None-Match", "Range",
    "Content-Type", "Payload-Container", "X-Amzn-SageMaker-Custom-Attributes", "X-Model-Source",
    "Inference-Header-Content-Length", "Content-Location", "Link", "Destination", "X-Server-Timing",
)  # fmt: skip


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def wrap(draw: Random, word: str) -> tuple[str, bytes]:
    """Put a word where a request has words; give media type and body."""
    record = PARCEL | {draw.choice([*PARCEL]): word}
    cells = ",".join(map(str, PARCEL.values()))
    inputs = tensors([PARCEL])
    inputs[0] |= draw.choice([{"name": word}, {"datatype": word}, {"data": [word]},
                              {"parameters": {word: word}}])  # fmt: skip
    quoted = json.dumps(word)
    return draw.choice([
        (JSON, json.dumps(record).encode()), (JSON, json.dumps([PARCEL, record]).encode()),
        (JSON, json.dumps(PARCEL | {word: 1}).encode()), (JSON, quoted.encode()),
        (JSON, json.dumps({"instances": [record], "parameters": {word: word}}).encode()),
        (JSON, json.dumps({"data": {word: [word]}}).encode()),
        (JSON, json.dumps({"id": word, "inputs": inputs, "outputs": [{"name": word}]}).encode()),
        (LINES, json.dumps(record).encode()), (CSV, f"{','.join(PARCEL)}\n{quoted},1".encode()),
        (CSV, f"{quoted},{','.join(PARCEL)}\n1,{cells}".encode()),
    ])  # fmt: skip


def all_requests(
    routes: Iterable[tuple[str, AbstractSet[str]]], gadgets: Sequence[Gadget], version: str,
    *, times: int,
) -> Iterator[Asked]:  # fmt: skip
    """Ask every route with every method, those that take a body with every gadget.

    They get it as what it is, and then as something else, with headers that
    might change what is made of it.

    Parameters
    ----------
    routes : iterable of (str, set of str)
        Rule and methods.
    version : str
        One that is there.
    times : int
        How often a route gets each gadget with such headers; methods that take
        no body get twice as many of them.
    """
    draw = Random(0)  # noqa: S311  no secrets
    texts = [one.body.decode() for one in gadgets if one.is_word]
    for rule, allowed in routes:
        for method in METHODS:
            takes_body = method == "POST" and "POST" in allowed
            for gadget in gadgets if takes_body else ():
                yield _plain(draw, rule.replace("<name>", "parcel"), version, gadget)
            for gadget in [*gadgets] * times if takes_body else draw.sample(gadgets, 2 * times):
                path = _filled(draw, rule, version, draw.choice(texts))
                yield _tricked(draw, method, path, gadget, texts)


def _filled(draw: Random, rule: str, version: str, word: str) -> str:
    """Fill in a rule: mostly with what is there, else with a word."""
    steps = {"<name>": "parcel", "<version>": version, "<path:filename>": "docs.js"}
    for step, right in steps.items():
        names = [right] * 6 + ["coin", "rent", quote(word, safe=""), quote(word)]
        rule = rule.replace(step, draw.choice(names))
    return rule + draw.choice(["", "", "", f"?{quote(word)}={quote(word)}"])


def _plain(draw: Random, rule: str, version: str, gadget: Gadget) -> Asked:
    kind, body = KINDS.get(gadget.name.partition("-")[0], "application/octet-stream"), gadget.body
    if gadget.is_word:
        kind, body = wrap(draw, body.decode())
    headers = {"Content-Type": kind, "Content-Length": str(len(body))}
    return Asked("POST", rule.replace("<version>", version), headers, body)


def _tricked(draw: Random, method: str, path: str, gadget: Gadget, texts: list[str]) -> Asked:
    headers = {"Content-Type": draw.choice(TYPES)}
    body = gadget.body
    if gadget.is_word and draw.random() < 0.7:
        headers["Content-Type"], body = wrap(draw, body.decode())
    if draw.random() < 0.3:
        headers["Content-Encoding"] = draw.choice(ENCODINGS)
    for name in draw.sample(HEADERS, draw.randint(0, 3)):
        others = [*METHODS, *TYPES, "pickle", "/v0/models", "0", "true"]
        headers[name] = draw.choice(draw.choice([texts, others]))
    headers["Content-Length"] = str(len(body))
    return Asked(method, path, headers, body)


def ask(port: int, asked: Asked) -> Answer:
    """Send a request; see that it is answered, and without a failure that is not declared."""
    fields = [(name.encode(), value.encode()) for name, value in asked.headers.items()]
    with connect(port) as link:
        link.sendall(request(asked.body, method=asked.method.encode(), path=asked.path.encode(),
                             fields=fields))  # fmt: skip
        answer = read_answer(link, of_head=asked.method == "HEAD")
    is_declared = answer.status == 501 and asked.path.partition("?")[0].endswith(NOT_DONE)
    assert answer.status < 500 or is_declared, (asked, answer)
    return answer
