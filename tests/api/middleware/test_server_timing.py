"""How long the parts of an answer take, for whoever asks."""

import json
import re

import pytest
from flask.testing import FlaskClient

from tests.support.application import ask_loop
from tests.support.models import EXAMPLES

ASKED = {"X-Server-Timing": "true"}
PARCEL = EXAMPLES["parcel"]


def durations(header: str) -> dict[str, float]:
    assert re.fullmatch(r"\w+;dur=\d+\.\d{3}(, \w+;dur=\d+\.\d{3})*", header)
    return {one.partition(";")[0]: float(one.partition("=")[2]) for one in header.split(", ")}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps(PARCEL), "application/json"),
        (json.dumps([PARCEL] * 3), "application/json"),
        (json.dumps(PARCEL) + "\n", "application/x-ndjson"),
    ],
)
def test_answer_when_times_are_asked_for_has_those_of_its_parts(
    body: str, kind: str, toy_client: FlaskClient
) -> None:
    answer = toy_client.post("/v0/predict", data=body, content_type=kind, headers=ASKED)

    found = durations(answer.headers["Server-Timing"])
    assert {"read", "validate", "predict", "write"} == set(found)
    assert sum(found.values()) > 0


def test_refusal_when_times_are_asked_for_has_those_of_the_parts_that_were_taken(
    toy_client: FlaskClient,
) -> None:
    answer = toy_client.post("/v0/predict", json={}, headers=ASKED)

    assert 422 == answer.status_code
    assert {"read", "validate"} == set(durations(answer.headers["Server-Timing"]))


@pytest.mark.parametrize("headers", [{}, {"X-Server-Timing": "no"}])
def test_answer_when_times_are_not_asked_for_has_none(
    headers: dict[str, str], toy_client: FlaskClient
) -> None:
    answer = toy_client.post("/v0/predict", json=PARCEL, headers=headers)

    assert "Server-Timing" not in answer.headers


def test_request_when_it_asks_for_times_is_left_to_a_thread(toy_client: FlaskClient) -> None:
    toy_client.application.extensions["resources"].models.get()
    body = json.dumps(PARCEL).encode()
    headers: list[dict[bytes, bytes]] = [{}, {b"x-server-timing": b"true"}]

    plain, asking = ask_loop(
        toy_client.application, [("/v0/predict", given, body) for given in headers]
    )

    assert plain and asking is None
