"""The binary tensor extension and compressed bodies, both ways, whole and damaged."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.models import EXAMPLES
from tests.support.tensors import DTYPES, buffer, good, in_binary, infer, refused, tensor, tensors

PARCEL = EXAMPLES["parcel"]
GREEN = {**PARCEL, "weight": 90, "colour": "green", "fragile": False}
INFER = "/v2/models/parcel/infer"
LENGTH = "Inference-Header-Content-Length"


def send(client: FlaskClient, body: bytes, headers: Any, path: str = INFER) -> TestResponse:
    return client.post(path, data=body, headers=headers)


def test_inputs_when_binary_get_the_same_as_in_json(toy_client: FlaskClient) -> None:
    asked = {"inputs": tensors([PARCEL, GREEN]), "outputs": [{"name": "predict_proba"}]}

    answer = send(toy_client, *in_binary(asked))

    assert good(toy_client.post(INFER, data=json.dumps(asked))) == good(answer)


def test_inputs_when_some_are_binary_take_the_bytes_in_order(toy_client: FlaskClient) -> None:
    plain = tensors([PARCEL, GREEN])
    body, headers = in_binary({"inputs": plain})
    cut = int(headers[LENGTH])
    inputs = json.loads(body[:cut])["inputs"]
    inputs[1] = plain[1]
    first = len(buffer(plain[0]["data"], "FP64"))
    rest = body[cut:][:first] + body[cut + first + 16 :]
    text = json.dumps({"inputs": inputs}).encode()

    answer = send(toy_client, text + rest, {LENGTH: str(len(text))})

    assert good(infer(toy_client, plain)) == good(answer)


@pytest.mark.parametrize("datatype", [one for one in DTYPES if one != "BOOL"])
def test_number_when_of_any_datatype_is_read(toy_client: FlaskClient, datatype: str) -> None:
    inputs = [tensor(name, [3, 2], datatype) for name in ("size", "edge")]

    plain = infer(toy_client, inputs, model="coin")
    binary = send(toy_client, *in_binary({"inputs": inputs}), "/v2/models/coin/infer")

    expected = toy_client.post(
        "/v0/models/coin/predict", json=[{"size": 3, "edge": 3}, {"size": 2, "edge": 2}]
    )
    values = [one["value"] for one in expected.get_json()["predictions"]]
    assert values == good(plain)["outputs"][0]["data"] == good(binary)["outputs"][0]["data"]


@pytest.mark.parametrize("model", ["parcel", "rent", "coin"])
@pytest.mark.parametrize("is_per_output", [True, False])
def test_outputs_when_wanted_in_binary_hold_the_same_bytes(
    toy_client: FlaskClient, model: str, is_per_output: Any
) -> None:
    path = f"/v2/models/{model}/infer"
    names = ["predict"] if model == "rent" else ["predict_proba", "predict"]
    wish = {"parameters": {"binary_data": True}} if is_per_output else {}
    asked: Any = {"inputs": tensors([EXAMPLES[model]] * 3), "outputs": [{"name": n} for n in names]}
    expected = good(toy_client.post(path, data=json.dumps(asked)))["outputs"]

    asked["outputs"] = [{"name": name, **wish} for name in names]
    asked["parameters"] = {} if is_per_output else {"binary_data_output": True}
    answer = toy_client.post(path, data=json.dumps(asked))

    assert "application/octet-stream" == answer.content_type
    cut = int(answer.headers[LENGTH])
    rest = answer.data[cut:]
    for output, one in zip(read_strictly(answer.data[:cut])["outputs"], expected, strict=True):
        assert "data" not in output
        size = output["parameters"]["binary_data_size"]
        assert buffer(one["data"], one["datatype"]) == rest[:size]
        rest = rest[size:]
    assert rest == b""


def test_output_when_the_wishes_differ_follows_its_own(toy_client: FlaskClient) -> None:
    wish = {"name": "predict", "parameters": {"binary_data": False}}

    answer = infer(
        toy_client, tensors([PARCEL]), parameters={"binary_data_output": True}, outputs=[wish]
    )

    assert good(answer)["outputs"][0]["data"]


@pytest.mark.parametrize("length", ["0", "-1", "x", "1e3", "", "99999999", "9" * 5000, "²"])
def test_json_length_when_it_cannot_be_true_is_refused(
    toy_client: FlaskClient, length: str
) -> None:
    body, _ = in_binary({"inputs": tensors([PARCEL])})

    assert LENGTH in refused(send(toy_client, body, {LENGTH: length.encode().decode("latin-1")}))


def lying(**changes: Any) -> tuple[bytes, dict[str, str]]:
    """Write a binary request whose first input says something else."""
    body, headers = in_binary({"inputs": tensors([PARCEL])})
    cut = int(headers[LENGTH])
    asked = json.loads(body[:cut])
    for key, value in changes.items():
        where = asked["inputs"][0]["parameters"] if "size" in key else asked["inputs"][0]
        where[key] = value
    text = json.dumps(asked).encode()
    return text + body[cut:], {LENGTH: str(len(text))}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"binary_data_size": 7}, "bytes follow the JSON"),
        ({"binary_data_size": 10**30}, "bytes follow the JSON"),
        ({"binary_data_size": -8}, "send a whole number"),
        ({"binary_data_size": True}, "send a whole number"),
        ({"binary_data_size": "8"}, "send a whole number"),
        ({"shape": [2, 1]}, "/weight has 8 bytes, its shape and datatype take 16"),
        ({"shape": [1, 10**6]}, "/weight has 8 bytes, its shape and datatype take 8000000"),
        ({"shape": [1, 10**4298]}, "/weight has more than 1,000,000 columns in its shape"),
        ({"shape": [1, 10**4298], "datatype": "BYTES"}, "more than 1,000,000 columns"),
        ({"shape": [0, 10**4298]}, "more than 1,000,000 columns"),
        ({"datatype": "FP32"}, "/weight has 8 bytes, its shape and datatype take 4"),
        ({"datatype": "BYTES"}, "/weight has 1 values and 4 bytes more"),
        ({"datatype": "BF16"}, "/weight has the datatype 'BF16'"),
        ({"data": [1]}, "has data and a binary_data_size"),
    ],
)
def test_binary_input_when_it_lies_is_refused(
    toy_client: FlaskClient, changes: Any, words: str
) -> None:
    assert words in refused(send(toy_client, *lying(**changes)))


@pytest.mark.parametrize("raw", [
    b"", b"\x03", b"\x03\0\0\0", b"\x03\0\0\0re", b"\x03\0\0\0red\0", b"\x01\0\0\0\xff",
    b"\xff\xff\xff\xffred", b"\x03\0\0\0red\x03\0\0\0red",
])  # fmt: skip
def test_text_when_its_bytes_are_damaged_is_refused(toy_client: FlaskClient, raw: bytes) -> None:
    plain = [one for one in tensors([PARCEL]) if one["name"] != "colour"]
    colour = {"name": "colour", "shape": [1], "datatype": "BYTES",
              "parameters": {"binary_data_size": len(raw)}}  # fmt: skip
    text = json.dumps({"inputs": [*plain, colour]}).encode()

    assert "/colour" in refused(send(toy_client, text + raw, {LENGTH: str(len(text))}))


def test_flag_when_its_byte_is_no_flag_is_refused(toy_client: FlaskClient) -> None:
    body, headers = in_binary({"inputs": tensors([PARCEL])})

    assert "the byte 7 for a BOOL" in refused(send(toy_client, body[:-1] + b"\7", headers))


def test_body_when_it_ends_early_or_late_is_refused(toy_client: FlaskClient) -> None:
    body, headers = in_binary({"inputs": tensors([PARCEL])})

    for damaged in (body[:-1], body + b"\0"):
        assert "bytes follow the JSON" in refused(send(toy_client, damaged, headers))
    assert "no header says where JSON ends" in refused(
        send(toy_client, body[: int(headers[LENGTH])], {})
    )


def test_gap_when_binary_is_nan(toy_client: FlaskClient) -> None:
    asked = tensors([PARCEL, {**PARCEL, "height": None}])

    body, headers = in_binary({"inputs": asked})

    assert good(infer(toy_client, asked)) == good(send(toy_client, body, headers))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.mark.parametrize("encoding", PACK)
def test_body_when_compressed_is_inflated(toy_client: FlaskClient, encoding: str) -> None:
    asked = {"inputs": tensors([PARCEL])}
    body, headers = in_binary(asked)
    packed = PACK[encoding]

    binary = send(toy_client, packed(body), {**headers, "Content-Encoding": encoding})
    plain = send(toy_client, packed(json.dumps(asked).encode()), {"Content-Encoding": encoding})
    record = packed(json.dumps({"instances": [PARCEL]}).encode())
    v1 = send(toy_client, record, {"Content-Encoding": encoding}, "/v1/models/parcel:predict")

    assert good(binary) == good(plain)
    assert good(v1)["predictions"] == good(plain)["outputs"][0]["data"]


@pytest.mark.parametrize("path", [INFER, "/v2/repository/index", "/v1/models/parcel:predict"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_body_when_compressed_badly_is_refused(
    toy_client: FlaskClient, encoding: str, path: str
) -> None:
    packed = PACK[encoding](b"{}")
    says = {"Content-Encoding": encoding}

    assert f"ends before its {encoding}" in refused(send(toy_client, packed[:-1], says, path))
    assert f"goes on after its {encoding}" in refused(send(toy_client, packed + b"x", says, path))
    assert f"is not {encoding}" in refused(send(toy_client, b"{}", says, path))
    twice = {"Content-Encoding": f"{encoding}, {encoding}"}
    assert "send one" in refused(send(toy_client, PACK[encoding](packed), twice, path))
    assert "'br'" in refused(send(toy_client, packed, {"Content-Encoding": "br"}, path), 415)


def test_body_when_it_inflates_beyond_the_limit_is_refused(toy_store: ModelStore) -> None:
    client = serve(toy_store, "parcel", max_body_bytes=4096).test_client()
    asked = json.dumps({"inputs": tensors([PARCEL])}).encode()
    says = {"Content-Encoding": "gzip"}

    full = send(client, gzip.compress(asked.ljust(4096)), says)
    over = send(client, gzip.compress(asked.ljust(4097)), says)
    bomb = send(client, gzip.compress(bytes(2 * 10**6)), says)

    assert good(full)
    assert "larger than 4096 bytes when inflated" in refused(over, 413)
    assert "larger than 4096 bytes when inflated" in refused(bomb, 413)
    assert "larger than 4096 bytes" in refused(send(client, asked.ljust(4097), {}), 413)
