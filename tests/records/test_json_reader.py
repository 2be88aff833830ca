"""The bodies that the systems took from which this one grew."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.inputs import first_daily
from tests.support.models import EXAMPLES

#: A body as each of the systems that this one grew out of takes it.
BODIES: dict[str, Any] = {
    "one record": EXAMPLES["rent"],
    "a list": [EXAMPLES["rent"]],
    "columns": {"data": {name: [value] for name, value in EXAMPLES["rent"].items()}},
    "a string of a record": json.dumps(EXAMPLES["rent"]),
    "a string of a list": json.dumps([EXAMPLES["rent"]]),
}


@pytest.mark.parametrize(
    "kind", first_daily("application/x-www-form-urlencoded", None, "application/json")
)
@pytest.mark.parametrize("path", first_daily("/v0/predict", "/inference/rent"))
@pytest.mark.parametrize("what", BODIES)
def test_body_when_of_an_earlier_system_is_answered(
    toy_store: ModelStore, what: str, path: str, kind: str | None
) -> None:
    rent = serve(toy_store, "rent").test_client()

    answer = rent.post(path, data=json.dumps(BODIES[what]), content_type=kind)

    expected = rent.post("/v0/predict", json=EXAMPLES["rent"]).get_json()["prediction"]
    found = read_strictly(answer.data)
    one = "record" in what
    assert expected == (found["prediction"] if one else found["predictions"][0])


@pytest.mark.parametrize("what", BODIES)
def test_body_when_it_has_a_byte_order_mark_is_read_without_it(
    toy_client: FlaskClient, what: str
) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(BODIES[what]).encode()

    for kind in ("application/json", "application/x-ndjson"):
        if kind == "application/json" or what == "one record":
            answer = toy_client.post("/inference/rent", data=body, content_type=kind)
            assert 200 == answer.status_code, answer.text


@pytest.mark.parametrize("text", ["[", "{", '"a"', "3", json.dumps(json.dumps({}))])
def test_body_when_its_string_holds_no_record_is_refused(
    toy_client: FlaskClient, text: str
) -> None:
    assert toy_client.post("/v0/predict", json=text).status_code in (400, 422)
