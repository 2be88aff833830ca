"""What clients of MLflow and SageMaker ask, answered as /v0/predict answers the same records."""

import io
import json
import math
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.models import EXAMPLES
from tests.support.table_bodies import PARCEL, PARCELS, write_csv, write_lines, write_parquet

JSON, CSV, LINES = "application/json", "text/csv", "application/jsonlines"

NAMES = list(PARCEL)
ROWS = [list(one.values()) for one in PARCELS]
COLUMNS = {name: [one[name] for one in PARCELS] for name in PARCEL}


def expect(client: FlaskClient, records: Any = PARCELS) -> list[dict[str, Any]]:
    """Give the predictions of /v0/predict."""
    found: list[dict[str, Any]] = client.post("/v0/predict", json=records).get_json()["predictions"]
    return found


def invoke(client: FlaskClient, body: Any, kind: str | None = JSON, **headers: str) -> Any:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/invocations", data=body, content_type=kind, headers=headers)


def refusal(answer: Any, status: int = 400) -> tuple[str, str]:
    assert status == answer.status_code, answer.text
    assert answer.content_type == JSON
    found = read_strictly(answer.data)
    assert {"error_code", "message"} == set(found)
    return found["error_code"], found["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "data": ROWS}},
        {"dataframe_split": {"index": ["a", 1, None, 2], "columns": NAMES, "data": ROWS}},
        {"dataframe_split": {"columns": NAMES[::-1], "data": [row[::-1] for row in ROWS]}},
        {"dataframe_split": {"data": ROWS}},
        {"dataframe_records": PARCELS},
        {"instances": PARCELS},
        {"instances": ROWS},
        {"inputs": COLUMNS},
        {"inputs": [COLUMNS]},
        {"inputs": PARCELS},
        {"inputs": ROWS},
        {"inputs": PARCELS, "params": {}},
        {"inputs": PARCELS, "params": None},
        PARCELS,
        ROWS,
    ],
)
def test_invocation_when_in_json_gets_the_values_of_predict(
    toy_client: FlaskClient, body: Any
) -> None:
    answer = invoke(toy_client, body)

    assert 200 == answer.status_code, answer.text
    found = read_strictly(answer.data)
    assert [one["value"] for one in expect(toy_client)] == found["predictions"]
    assert "parcel" == found["model"]["name"]
    assert 2 == len(found["warnings"])
    assert "no-store" == answer.headers["Cache-Control"]


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=UTF-8", None, ""])
def test_invocation_when_of_one_record_gets_one_value(
    toy_client: FlaskClient, kind: str | None
) -> None:
    answer = invoke(toy_client, {"inputs": PARCEL}, kind)

    assert [expect(toy_client, [PARCEL])[0]["value"]] == answer.get_json()["predictions"]


@pytest.mark.parametrize("gap", [math.nan, None, "NaT"])
def test_invocation_when_a_gap_is_written_otherwise_reads_it(
    toy_client: FlaskClient, gap: Any
) -> None:
    record = {**PARCEL, "height": gap, "shape": gap, "express": gap}

    answer = invoke(toy_client, {"dataframe_records": [record]})

    plain = {**PARCEL, "height": None, "shape": None, "express": None}
    assert [expect(toy_client, [plain])[0]["value"]] == answer.get_json()["predictions"]


def test_invocation_when_of_numbers_takes_0_and_1_for_flags(toy_client: FlaskClient) -> None:
    row = [int(one) if isinstance(one, bool) else one for one in ROWS[0]]

    by_place = invoke(toy_client, {"instances": [row]})
    by_name = invoke(toy_client, {"dataframe_split": {"columns": NAMES, "data": [row]}})

    assert 200 == by_place.status_code
    assert "/dataframe_split/data/0/fragile is 1" in refusal(by_name)[1]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "BAD_REQUEST", ["is empty"]),
        (b"{", "BAD_REQUEST", ["is not JSON"]),
        ({}, "BAD_REQUEST", ["no keys", "exactly one of dataframe_split, dataframe_records"]),
        (3, "BAD_REQUEST", ["is 3"]),
        (PARCEL, "BAD_REQUEST", ["none of them", "'weight'"]),
        ({"inputs": [], "instances": []}, "BAD_REQUEST", ["instances and inputs"]),
        ({"inputs": [PARCEL], "params": {"a": 1, "b": 2}}, "", ["/params/a", "/params/b"]),
        ({"inputs": [PARCEL], "params": [1]}, "", ["/params is a list"]),
        ({"inputs": [PARCEL], "signature_name": "x"}, "", ["/signature_name stands beside inputs"]),
        ({"inputs": 3}, "", ["/inputs is 3"]),
        ({"inputs": []}, "", ["there are no records"]),
        ({"instances": [1, 2]}, "", ["/instances/0 is 1", "/instances/1 is 2"]),
        ({"instances": [[1], ROWS[0]]}, "", ["/instances/0 has 1 values: send 7"]),
        ({"inputs": {"weight": [1, 2], "pieces": [1]}}, "", ["/inputs/pieces has 1 values"]),
        ({"dataframe_records": COLUMNS}, "", ["/dataframe_records holds columns"]),
        ({"dataframe_split": []}, "", ["/dataframe_split is a list"]),
        ({"dataframe_split": {"columns": NAMES}}, "", ["/dataframe_split/data is required"]),
        ({"dataframe_split": {"columns": NAMES, "data": []}}, "", ["there are no records"]),
        ({"dataframe_split": {"data": [3], "dtype": 1, "columns": ["a", "a", 2]}}, "", [
            "split/dtype", "data/0 is 3", "columns/1 names 'a' again", "columns/2 is 2"]),
        ({"dataframe_split": {"columns": [*NAMES, "x"], "data": [[*ROWS[0], 1]]}}, "",
         ["/dataframe_split/data/0/x is not a field"]),
        ({"inputs": [{**PARCEL, "height": math.inf}]}, "", ["/inputs/0/height is not a finite"]),
        ({"inputs": [{**PARCEL, "weight": "a", "pieces": None}]}, "",
         ["2 problems", "/inputs/0/weight is 'a'", "/inputs/0/pieces is required"]),
        (b'{"inputs": 1, "inputs": 2}', "", ["/inputs is given twice"]),
    ],
)  # fmt: skip
def test_invocation_when_it_is_wrong_says_all_that_is(
    toy_client: FlaskClient, body: Any, code: str, words: list[str]
) -> None:
    found, message = refusal(invoke(toy_client, body))

    assert (code or "INVALID_PARAMETER_VALUE") == found
    assert [] == [word for word in words if word not in message], message


HEADER = ",".join(NAMES).encode() + b"\n"
TABLE = write_csv(PARCELS)
BARE = TABLE.partition(b"\n")[2]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (TABLE, CSV),
        (TABLE, f"{CSV}; charset=utf-8"),
        (TABLE, f"{CSV}; header=present"),
        (BARE, CSV),
        (b"\n\n" + BARE, CSV),
        (b"\xef\xbb\xbf" + BARE, CSV),
        (b"\xef\xbb\xbf" + TABLE, CSV),
        (BARE, f"{CSV}; Header=absent; charset=utf-8"),
        (BARE.replace(b"true", b"True").replace(b"false", b"False"), CSV),
        (BARE.replace(b"\n", b"\r\n"), CSV),
        (write_lines(PARCELS), LINES),
        (write_lines(PARCELS), "application/x-ndjson"),
        (write_parquet(PARCELS), "application/vnd.apache.parquet"),
    ],
)
def test_invocation_when_a_table_gets_the_values_of_predict(
    toy_client: FlaskClient, body: bytes, kind: str
) -> None:
    answer = invoke(toy_client, body, kind)

    assert 200 == answer.status_code, answer.text
    expected = [one["value"] for one in expect(toy_client)]
    assert expected == read_strictly(answer.data)["predictions"]


def test_csv_when_its_header_is_declared_otherwise_is_read_so(toy_client: FlaskClient) -> None:
    as_row = refusal(invoke(toy_client, TABLE, f"{CSV}; header=absent"))[1]
    as_header = refusal(invoke(toy_client, BARE, f"{CSV}; header=present"))[1]

    assert "/0/weight is 'weight'" in as_row
    assert "is not a field" in as_header


def test_csv_when_its_header_is_misspelt_is_not_taken_for_a_row(toy_client: FlaskClient) -> None:
    message = refusal(invoke(toy_client, TABLE.replace(b"weight", b"wieght", 1), CSV))[1]

    assert "/0/wieght is not a field (did you mean 'weight'?)" in message


@pytest.mark.slow
def test_csv_when_longer_than_is_held_in_memory_is_read_by_place(toy_client: FlaskClient) -> None:
    answer = invoke(toy_client, BARE * 20_000, CSV, Accept=CSV)

    values = [one["value"] for one in expect(toy_client)] * 20_000
    assert "\n".join(values) + "\n" == answer.text


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "text/csv; header=no",
                                  "application/json; v=1", "application/json; header=absent",
                                  "application/json; charset=latin-1"])  # fmt: skip
def test_content_type_when_it_is_another_is_refused_as_text(
    toy_client: FlaskClient, kind: str
) -> None:
    answer = invoke(toy_client, {"inputs": PARCELS}, kind)

    assert (415, "text/plain; charset=utf-8") == (answer.status_code, answer.content_type)


def test_accept_when_it_names_a_form_gets_it(toy_client: FlaskClient) -> None:
    expected = expect(toy_client)

    lines = invoke(toy_client, {"inputs": PARCELS}, Accept=LINES)
    rent = serve_rent(toy_client)

    assert LINES == lines.content_type
    found = [read_strictly(line) for line in lines.data.splitlines()]
    assert expected == [{k: v for k, v in one.items() if k != "warnings"} for one in found]
    assert "text/csv; charset=utf-8" == rent.content_type
    assert (
        "Accept is 'image/png'"
        in refusal(invoke(toy_client, {"inputs": PARCELS}, Accept="image/png"), 406)[1]
    )


def serve_rent(client: FlaskClient) -> Any:
    store = ModelStore(client.application.extensions["resources"].models.store.root)
    asked = serve(store, "rent").test_client()
    answer = invoke(asked, {"inputs": [EXAMPLES["rent"]]}, Accept=CSV)
    assert expect(asked, [EXAMPLES["rent"]])[0]["value"] == float(answer.text)
    return answer


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def test_npy_when_of_numbers_is_read_by_place(toy_store: ModelStore) -> None:
    asked = serve(toy_store, "coin").test_client()
    record = EXAMPLES["coin"]
    rows = np.array([list(record.values())] * 2, dtype=float)

    answer = invoke(asked, npy(rows), "application/x-npy")
    turned = invoke(asked, npy(np.asfortranarray(rows)), "application/x-npy")

    values = [one["value"] for one in expect(asked, [record, record])]
    assert values == answer.get_json()["predictions"] == turned.get_json()["predictions"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x93NUMPY", b"x" * 100, npy(np.zeros((2, 7), dtype=object)),
        npy(np.zeros((1, 1, 1))), npy(np.array([["a"]])), npy(np.zeros((2, 7)))[:-1],
        npy(np.zeros((2, 7))) + b"x",
        npy(np.zeros((2, 7))).replace(b"'<f8'", b"'|O8'"),
        npy(np.zeros((2, 7))).replace(b"(2, 7)", b"(9**99,)"), npy(np.zeros((2, 3))),
    ],
)  # fmt: skip
def test_npy_when_it_is_no_array_of_numbers_is_refused(
    toy_client: FlaskClient, body: bytes
) -> None:
    refusal(invoke(toy_client, body, "application/x-npy"))


def test_npy_when_its_rows_have_no_columns_is_held_to_the_number_of_records(
    toy_client: FlaskClient,
) -> None:
    # No bytes at all, and yet an object for each row.
    shape = b"(999999999999, 0), }"
    body = npy(np.zeros((1, 0))).replace(b"(1, 0), }" + b" " * (len(shape) - 9), shape)

    answer = invoke(toy_client, body, "application/x-npy")

    assert 413 == answer.status_code
    assert "10000 records" in answer.get_json()["message"]
