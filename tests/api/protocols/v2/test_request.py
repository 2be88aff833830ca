"""Bad requests of the Open Inference Protocol and of V1: all that is wrong, in their own form."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.inputs import many
from tests.support.models import EXAMPLES, TOYS
from tests.support.tensors import DTYPES, good, infer, refused, tensor, tensors

PARCEL = EXAMPLES["parcel"]
INFER = "/v2/models/parcel/infer"
PREDICT = "/v1/models/parcel:predict"


def altered(**changes: Any) -> list[Any]:
    """Give the example's inputs, the first one changed."""
    first, *others = tensors([PARCEL])
    return [{**first, **changes}, *others]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (None, "/inputs is null: send a list"),
        ([], "/inputs is an empty list"),
        ({"a": 1}, "/inputs is an object"),
        ([3, "x"], "/inputs/0 has no name"),
        (altered(name=None), "/inputs/0 has no name"),
        (altered(shape=None), "/weight has the shape null"),
        (altered(shape=[-1]), "/weight has the shape [-1]"),
        (altered(shape=[True]), "/weight has the shape [True]"),
        (altered(shape=[]), "/weight has 0 dimensions"),
        (altered(shape=[1, 1, 1]), "/weight has 3 dimensions"),
        (altered(shape=[2, 1]), "/weight has 1 values, its shape is [2, 1]"),
        (altered(shape=[1, 2], data=[1, 2]), "/weight has the shape [1, 2]: send [n] or [n, 1]"),
        (altered(shape=[2], data=[1, 2]), "/pieces has 1 values, others 2"),
        (altered(shape=[2, 1], data=[[1, 2]]), "/pieces has 1 values, others 2"),
        (altered(shape=[2, 2], data=[[1], [2, 3]]), "/weight has lists of different lengths"),
        (altered(shape=[2, 3], data=[[1, 2], [3, 4], [5, 6]]), "/weight has data of shape [3, 2]"),
        (altered(data=None), "/weight has data that are null"),
        (altered(data={}), "/weight has data that are an object"),
        (altered(data=[[]]), "/weight has 0 values"),
        (altered(data=["1"]), "/weight has '1' as value 0, which is not FP64"),
        (altered(data=[True]), "/weight has true as value 0, which is not FP64"),
        (altered(data=[{}]), "/weight has an object as value 0"),
        (altered(datatype="INT8", data=[128]), "/weight has 128 as value 0, which is not INT8"),
        (altered(datatype="INT8", data=[1.5]), "/weight has 1.5 as value 0, which is not INT8"),
        (altered(datatype="UINT8", data=[-1]), "/weight has -1 as value 0, which is not UINT8"),
        (altered(datatype="BOOL", data=[1]), "/weight has 1 as value 0, which is not BOOL"),
        (altered(datatype="BYTES"), "/weight has 12.5 as value 0, which is not BYTES"),
        (altered(datatype=["FP64"]), "/weight has the datatype a list: send one of BOOL"),
        (altered(data=[float("inf")]), "/weight/0 is not a finite double"),
        (altered(data=[-1]), "/weight/0 is -1, out of range"),
        (altered(data=[None]), "/weight/0 is required"),
        (altered(parameters={"content_type": "str"}), "/weight has the content type 'str'"),
        (altered(parameters={"content_type": []}), "/weight has the content type a list"),
        (altered(parameters=7), "/weight has parameters that are 7"),
        (altered(parameters={"shared_memory_region": "x"}), "parameter shared_memory_region"),
        (altered(name="wieght"), "/wieght/0 is not a field (did you mean 'weight'?)"),
        (altered(name="wieght"), "/weight/0 is required"),
        (altered()[1:] + altered()[1:2], "/pieces is given twice"),
        ([tensor("colour", ["x"], content_type="hg_json"), *altered()], "content type 'hg_json'"),
        ([tensor("colour", ["{"], content_type="pd_json"), *altered()], "value 0 that is not JSON"),
        ([tensor("colour", ["é"], content_type="base64"), *altered()], "value 0 that is not base"),
        ([tensor("colour", ["/w=="], content_type="base64"), *altered()], "0 that is not UTF-8"),
        ([{**one, "shape": [0, 1], "data": []} for one in altered()], "there are no records"),
    ],
)
def test_inputs_when_they_are_bad_are_named(
    toy_client: FlaskClient, inputs: Any, words: str
) -> None:
    assert words in refused(infer(toy_client, inputs))


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"id": 7}, "/id is 7: send text"),
        ({"parameters": []}, "/parameters has parameters that are a list"),
        ({"parameters": {"content_type": "hg_jsonlist"}}, "/parameters/content_type is 'hg_json"),
        ({"outputs": {}}, "/outputs is an object"),
        ({"outputs": ["predict"]}, "/outputs/0 is 'predict': the outputs are predict and"),
        ({"outputs": [{"name": "x"}]}, "/outputs/0 is 'x': the outputs are predict and predict_p"),
        ({"outputs": [{"name": "predict"}] * 2}, "/outputs/1 is predict again"),
        ({"outputs": [{"name": "predict", "parameters": {"classification": 1}}]}, "classification"),
    ],
)
def test_request_when_it_is_bad_is_named(
    toy_client: FlaskClient, others: dict[str, Any], words: str
) -> None:
    assert words in refused(infer(toy_client, tensors([PARCEL]), **others))


def test_probabilities_when_a_model_gives_none_are_refused(toy_client: FlaskClient) -> None:
    asked = tensors([EXAMPLES["rent"]])

    text = refused(infer(toy_client, asked, model="rent", outputs=[{"name": "predict_proba"}]))

    assert "the outputs are predict" in text
    assert "and" not in text


@pytest.mark.parametrize("path", [INFER, PREDICT])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 99, b'{"inputs": 1', b"3", b"[]", b'"x"', b"9" * 9999]
)
def test_body_when_it_is_no_request_is_refused(
    toy_client: FlaskClient, path: str, body: bytes
) -> None:
    assert "the body" in refused(toy_client.post(path, data=body))


def test_key_when_repeated_is_refused(toy_client: FlaskClient) -> None:
    twice = b'{"inputs": [], "inputs": [{"name": "a", "name": "b"}]}'
    entry = b'{"inputs": [{"name": "a", "name": "b"}]}'

    assert "/inputs is given twice" in refused(toy_client.post(INFER, data=twice))
    assert "/a names 'name' twice" in refused(toy_client.post(INFER, data=entry))


def test_problems_when_they_are_many_are_counted(toy_client: FlaskClient) -> None:
    bad = {**PARCEL, "weight": -1}

    text = refused(infer(toy_client, tensors([bad] * 30)))
    most = refused(infer(toy_client, tensors([bad] * 2000)))

    assert "the input has 30 problems: /weight/0 is -1" in text
    assert "/weight/19 is -1" in text
    assert "/weight/20" not in text
    assert "and 10 more" in text
    assert "and at least 981 more" in most


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/models/beer", 404),
        ("POST", "/v1/models/beer:predict", 404),
        ("GET", INFER, 405),
        ("GET", PREDICT, 405),
        ("PUT", "/v2/models/parcel", 405),
        ("POST", "/v1/models/parcel", 405),
        ("POST", "/v2/repository/models/parcel/load", 501),
        ("POST", "/v2/repository/models/parcel/unload", 501),
        ("POST", "/v1/models/parcel:explain", 501),
    ],
)
def test_failure_when_of_any_kind_has_the_protocols_form(
    toy_client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = toy_client.open(path, method=method)

    assert refused(answer, status)
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("body", ["[]", "{", '{"ready": 1}', "3"])
def test_index_when_its_body_is_bad_refuses_it(toy_client: FlaskClient, body: str) -> None:
    assert "the body" in refused(toy_client.post("/v2/repository/index", data=body))


@pytest.fixture(scope="module")
def small(toy_store: ModelStore) -> FlaskClient:
    return serve(toy_store, "parcel", max_body_bytes=3000).test_client()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
names = st.sampled_from([*PARCEL, *EXAMPLES["coin"], "x"]) | json_values
sizes = st.integers(-1, 3) | st.just(10**20) | json_values
form = {"content_type": st.sampled_from(["pd", "np", "str", "base64", "pd_json"]) | json_values,
        "binary_data_size": st.integers(0, 20) | json_values,
        "binary_data_output": json_values, "binary_data": json_values}  # fmt: skip
parameters = st.fixed_dictionaries({}, optional=form) | json_values
one_input = st.fixed_dictionaries(
    {"name": names, "shape": st.lists(sizes, max_size=3) | json_values,
     "datatype": st.sampled_from([*DTYPES, "BYTES"]) | json_values},
    optional={"data": st.lists(json_values, max_size=3) | json_values, "parameters": parameters},
)  # fmt: skip
a_request = st.fixed_dictionaries(
    {"inputs": st.lists(one_input, max_size=4) | json_values},
    optional={
        "id": json_values, "parameters": parameters,
        "outputs": st.lists(st.fixed_dictionaries(
            {"name": st.sampled_from(["predict", "predict_proba"]) | json_values},
            optional={"parameters": parameters})) | json_values,
    },
)  # fmt: skip


@settings(max_examples=many(400))
@given(
    model=st.sampled_from(sorted(TOYS)),
    asked=a_request | json_values,
    raw=st.binary(max_size=40),
    shift=st.none() | st.just(0) | st.integers(-30, 30),
    encoding=st.sampled_from(["", "", "", "gzip", "deflate", "x"]),
)
def test_anything_when_sent_is_answered_in_json_and_never_with_a_5xx(
    small: FlaskClient, model: str, asked: Any, raw: bytes, shift: int | None, encoding: str
) -> None:
    text = json.dumps(asked).encode()
    headers = {"Content-Encoding": encoding} if encoding else {}
    if shift is not None:
        headers["Inference-Header-Content-Length"] = str(len(text) + shift)

    answer = small.post(f"/v2/models/{model}/infer", data=text + raw, headers=headers)
    v1 = small.post(f"/v1/models/{model}:predict", data=json.dumps({"instances": asked}))

    for one in (answer, v1):
        assert one.status_code in (200, 400, 413, 415), one.text
        cut = one.headers.get("Inference-Header-Content-Length", type=int)
        assert isinstance(read_strictly(one.data[:cut]), dict)


@settings(max_examples=many(200))
@given(body=st.binary(max_size=200), length=st.integers(0, 60))
def test_bytes_when_sent_are_answered_in_json_and_never_with_a_5xx(
    small: FlaskClient, body: bytes, length: int
) -> None:
    headers = {"Inference-Header-Content-Length": str(length)}

    assert refused(small.post(INFER, data=body, headers=headers))


def test_instances_when_compared_with_records_get_the_same(toy_client: FlaskClient) -> None:
    for model, example in EXAMPLES.items():
        records = [example, list(example.values())]
        expected = toy_client.post(f"/v0/models/{model}/predict", json=[example] * 2).get_json()

        body = json.dumps({"instances": records, "signature_name": "x"})
        answer = good(toy_client.post(f"/v1/models/{model}:predict", data=body))

        assert {"predictions": [one["value"] for one in expected["predictions"]]} == answer


def test_instances_when_bad_are_all_named(toy_client: FlaskClient) -> None:
    gap = {**PARCEL, "height": float("nan"), "shape": "sack"}
    odd = {**PARCEL, "weight": -1}

    def ask(*rows: Any) -> Any:
        return toy_client.post(PREDICT, data=json.dumps({"instances": rows}))

    assert "/instances/0/shape is 'sack', unknown" in good(ask(gap))["warnings"]
    text = refused(ask(PARCEL, odd, [1, 2], 3))
    assert "the input has 3 problems: /instances/1/weight is -1" in text
    assert "/instances/2 has 2 values: send 7" in text
    assert "/instances/3 is 3" in text
    assert "no records" in refused(ask())
    assert "no list of instances" in refused(toy_client.post(PREDICT, data='{"inputs": []}'))
    twice = '{"instances": [], "instances": []}'
    assert "twice" in refused(toy_client.post(PREDICT, data=twice))
    assert "10000 records" in refused(ask(*[PARCEL] * 10_001), 413)
    assert {"name": "parcel", "ready": True} == good(toy_client.get("/v1/models/parcel"))
    assert {"models": sorted(TOYS)} == good(toy_client.get("/v1/models"))
