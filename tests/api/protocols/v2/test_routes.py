"""The Open Inference Protocol: what is answered, compared with our own protocol."""

import base64
import json
import math
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.records.rows import MAX_RECORDS
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.models import EXAMPLES, TOYS
from tests.support.tensors import good, in_binary, infer, refused, tensor, tensors

PARCEL = EXAMPLES["parcel"]
OTHER = {**PARCEL, "weight": 90, "colour": "green", "fragile": False, "height": 10.5}
BOTH = [{"name": "predict"}, {"name": "predict_proba"}]


def expect(client: FlaskClient, model: str, records: list[Any]) -> list[Any]:
    answer = client.post(f"/v0/models/{model}/predict", json=records)
    assert 200 == answer.status_code, answer.text
    found: list[Any] = answer.get_json()["predictions"]
    return found


def outputs(answer: Any) -> dict[str, list[Any]]:
    return {one["name"]: one["data"] for one in answer["outputs"]}


@pytest.mark.parametrize("model", TOYS)
def test_tensors_when_compared_with_records_get_the_same(
    toy_client: FlaskClient, model: str
) -> None:
    records = [EXAMPLES[model], OTHER if model == "parcel" else EXAMPLES[model]]
    wanted = BOTH if model != "rent" else BOTH[:1]

    answer = good(infer(toy_client, tensors(records), model=model, outputs=wanted))

    expected = expect(toy_client, model, records)
    found = outputs(answer)
    assert [one["value"] for one in expected] == found["predict"]
    shares = [share for one in expected for share in one.get("probabilities", {}).values()]
    assert shares == found.get("predict_proba", [])
    assert [[2, 1], [2, len(shares) // 2]][: len(wanted)] == [
        one["shape"] for one in answer["outputs"]
    ]


def test_answer_when_one_asks_plainly_names_model_and_version(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    answer = infer(toy_client, tensors([PARCEL]), id="é7", parameters={"content_type": "pd"})

    assert "no-store" == answer.headers["Cache-Control"]
    assert {
        "model_name": "parcel",
        "model_version": toy_store.promoted("parcel"),
        "id": "é7",
        "parameters": {"content_type": "pd"},
        "outputs": [
            {
                "name": "predict",
                "datatype": "BYTES",
                "shape": [1, 1],
                "data": [expect(toy_client, "parcel", [PARCEL])[0]["value"]],
            }
        ],
    } == good(answer)


def test_classes_when_probabilities_are_asked_for_name_the_columns(toy_client: FlaskClient) -> None:
    (output,) = good(infer(toy_client, tensors([PARCEL]), outputs=BOTH[1:]))["outputs"]

    assert ["large", "medium", "small"] == json.loads(output["parameters"]["classes"])


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("data", [[90, 12.5], [[90], [12.5]]])
def test_column_when_flat_or_nested_is_the_same(
    toy_client: FlaskClient, shape: list[int], data: list[Any]
) -> None:
    asked = tensors([OTHER, PARCEL])
    asked[0] |= {"shape": shape, "data": data}

    answer = good(infer(toy_client, asked))

    values = [one["value"] for one in expect(toy_client, "parcel", [OTHER, PARCEL])]
    assert values == outputs(answer)["predict"]


@pytest.mark.parametrize("parameters", [{}, {"content_type": "np"}])
@pytest.mark.parametrize("data", [[1.5, -0.5, -3, 0], [[1.5, -0.5], [-3, 0]]])
def test_matrix_when_the_fields_are_numbers_holds_them_in_order(
    toy_client: FlaskClient, data: list[Any], parameters: dict[str, str]
) -> None:
    whole = {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": data}

    answer = good(infer(toy_client, [whole], model="coin", parameters=parameters))

    records = [{"size": 1.5, "edge": -0.5}, {"size": -3, "edge": 0}]
    values = [one["value"] for one in expect(toy_client, "coin", records)]
    assert values == outputs(answer)["predict"]
    assert "INT64" == answer["outputs"][0]["datatype"]


def test_matrix_when_it_does_not_fit_is_refused_with_the_fields(toy_client: FlaskClient) -> None:
    wide = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}

    assert "has 3 columns, the model 2 fields: size, edge" in refused(
        infer(toy_client, [wide], model="coin")
    )
    assert "text goes into city" in refused(infer(toy_client, [wide], model="rent"))


GAPS = {"height": None, "express": None, "shape": None}


@pytest.mark.parametrize("gap", [None, math.nan])
@pytest.mark.parametrize("name", GAPS)
def test_gap_when_null_or_nan_is_missing(toy_client: FlaskClient, name: str, gap: Any) -> None:
    asked = tensors([PARCEL, PARCEL])
    next(one for one in asked if one["name"] == name)["data"][1] = gap

    answer = good(infer(toy_client, asked, outputs=BOTH[1:]))

    expected = expect(toy_client, "parcel", [PARCEL, {**PARCEL, name: None}])
    shares = [share for one in expected for share in one["probabilities"].values()]
    assert shares == outputs(answer)["predict_proba"]


def test_whole_numbers_when_they_come_as_doubles_are_taken_where_whole(
    toy_client: FlaskClient,
) -> None:
    asked = tensors([PARCEL, PARCEL])

    asked[1]["data"] = [3.0, 3.5]
    text = refused(infer(toy_client, asked))

    assert "the input has 1 problem: /pieces/1 is 3.5: send a whole number" in text


@pytest.mark.parametrize(
    ("datatype", "value", "taken"),
    [
        ("INT64", 1, True),
        ("UINT8", 0, False),
        ("INT8", 2, None),
        ("FP64", 1.0, None),
        ("BOOL", True, True),
        ("BYTES", "yes", True),
        ("BYTES", "true", None),
    ],
)
def test_flag_when_a_number_is_one_only_as_whole_0_or_1(
    toy_client: FlaskClient, datatype: str, value: Any, taken: Any
) -> None:
    asked = [*tensors([{k: v for k, v in OTHER.items() if k != "fragile"}]),
             tensor("fragile", [value], datatype)]  # fmt: skip

    answer = infer(toy_client, asked, outputs=BOTH[1:])

    if taken is None:
        assert "/fragile/0 is" in refused(answer)
    else:
        (expected,) = expect(toy_client, "parcel", [{**OTHER, "fragile": taken}])
        assert list(expected["probabilities"].values()) == outputs(good(answer))["predict_proba"]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("str", "dark, blue"),
        ("np", "dark, blue"),
        ("datetime", "dark, blue"),
        ("base64", base64.b64encode(b"dark, blue").decode()),
        ("pd_json", '"dark, blue"'),
    ],
)
def test_text_when_it_has_a_content_type_is_read_so(
    toy_client: FlaskClient, form: str, value: str
) -> None:
    record = {name: one for name, one in PARCEL.items() if name != "colour"}
    asked = [*tensors([record]), tensor("colour", [value], content_type=form)]

    plain, binary = infer(toy_client, asked), in_binary({"inputs": asked})

    expected = [one["value"] for one in expect(toy_client, "parcel", [PARCEL])]
    assert expected == outputs(good(plain))["predict"]
    body, headers = binary
    answer = toy_client.post("/v2/models/parcel/infer", data=body, headers=headers)
    assert expected == outputs(good(answer))["predict"]


def test_values_when_a_policy_accepts_them_are_told(toy_client: FlaskClient) -> None:
    answer = good(infer(toy_client, tensors([PARCEL, {**PARCEL, "pieces": 999, "shape": "sack"}])))

    warnings = answer["parameters"]["warnings"]
    assert "/pieces/1 is 999" in warnings
    assert "/shape/1 is 'sack', unknown" in warnings


def test_input_when_the_model_ignores_its_name_is_not_looked_at(toy_client: FlaskClient) -> None:
    odd = {"name": "note", "shape": "none", "datatype": "TEXT"}

    assert good(infer(toy_client, [*tensors([PARCEL]), odd]))


def test_version_when_named_answers(toy_client: FlaskClient, toy_store: ModelStore) -> None:
    promoted = toy_store.promoted("parcel")
    path = f"/v2/models/parcel/versions/{promoted}"

    assert good(infer(toy_client, tensors([PARCEL]), path=f"{path}/infer"))
    assert {"name": "parcel", "ready": True} == good(toy_client.get(f"{path}/ready"))
    assert [promoted] == good(toy_client.get(path))["versions"]


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", ["beer", "parcel/versions/20260102T101500Z-3fa9c"])
def test_model_when_there_is_none_is_not_found(
    toy_client: FlaskClient, path: str, method: str
) -> None:
    rest = "/infer" if method == "post" else ""

    assert "there is no" in refused(getattr(toy_client, method)(f"/v2/models/{path}{rest}"), 404)


def test_metadata_when_asked_describes_fields_and_outputs(toy_client: FlaskClient) -> None:
    found = good(toy_client.get("/v2/models/parcel"))

    assert {
        "weight": "FP64", "pieces": "INT64", "height": "FP64", "colour": "BYTES",
        "shape": "BYTES", "fragile": "BOOL", "express": "BOOL",
    } == {one["name"]: one["datatype"] for one in found["inputs"]}  # fmt: skip
    assert {"predict": [-1, 1], "predict_proba": [-1, 3]} == {
        one["name"]: one["shape"] for one in found["outputs"]
    }
    (rent,) = good(toy_client.get("/v2/models/rent"))["outputs"]
    assert {"name": "predict", "datatype": "FP64", "shape": [-1, 1]} == rent


def test_service_when_asked_is_live_and_ready(toy_client: FlaskClient) -> None:
    assert ["binary_tensor_data"] == good(toy_client.get("/v2"))["extensions"]
    assert {"live": True} == good(toy_client.get("/v2/health/live"))
    assert {"live": True, "ready": True} == good(toy_client.get("/v2/health/ready"))
    assert {"models": sorted(TOYS)} == good(toy_client.get("/v2/models"))


def test_service_when_it_stops_or_has_no_model_is_not_ready(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = serve(toy_store, "parcel")
    stopping: threading.Event = app.extensions["resources"].stopping
    stopping.set()
    empty = serve(ModelStore(tmp_path), "parcel")

    for client in (app.test_client(), empty.test_client()):
        answer = client.get("/v2/health/ready")
        body = read_strictly(answer.data)
        assert (503, True, False) == (answer.status_code, body["live"], body["ready"])
        assert body["error"]


def test_index_when_a_version_is_damaged_says_so(toy_store: ModelStore, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store")
    shutil.copytree(toy_store.root, store.root)
    (store.root / "coin" / store.promoted("coin") / "card.json").write_text("{")
    client = serve(store, "parcel").test_client()

    every = good(client.post("/v2/repository/index"))
    ready = good(client.post("/v2/repository/index", data='{"ready": true}'))

    states = {one["name"]: one["state"] for one in every}
    assert {"coin": "UNAVAILABLE", "parcel": "READY", "rent": "READY"} == states
    assert {"parcel", "rent"} == {one["name"] for one in ready}
    assert "503" in str(client.get("/v2/models/coin/ready").status)


def test_records_when_they_are_too_many_are_refused(toy_client: FlaskClient) -> None:
    most = {"size": 1.5, "edge": -0.5}

    assert good(infer(toy_client, tensors([most] * MAX_RECORDS), model="coin"))
    assert "10000 records" in refused(
        infer(toy_client, tensors([most] * (MAX_RECORDS + 1)), model="coin"), 413
    )
