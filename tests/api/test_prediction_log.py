"""The log is read in pages by those who may, and takes outcomes through the spool."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_entries import Outcomes, decode
from persistence.prediction_rows import PredictionRow
from persistence.spool_reading import read_frames
from tests.support.answers import found, read_problem
from tests.support.application import serve

IDS = [f"{number:032x}" for number in range(5)]
PREDICTIONS, FEEDBACK = "/v0/models/parcel/predictions", "/v0/models/parcel/feedback"


@pytest.fixture
def client(toy_store: ModelStore, tmp_path: Path) -> FlaskClient:
    """A service whose log has five predictions of parcel."""
    rows = [
        PredictionRow(
            id=id_, at=1000.0 + place, model="parcel", version="v1", value="small",
            record={"colour": "red"}, identifiers={"order": place},
        )
        for place, id_ in enumerate(IDS)
    ]  # fmt: skip
    PredictionDatabase(tmp_path / "log.sqlite3").store(rows)
    settings: dict[str, Any] = {
        "prediction_log": "async",
        "prediction_folder": tmp_path,
        "prediction_spool_bytes": 2**16,
    }
    settings |= {"keys_file": tmp_path / "keys.json"}
    return serve(toy_store, "parcel", **settings).test_client()


def test_predictions_when_paged_are_listed_once_and_as_filtered(client: FlaskClient) -> None:
    address, ids = f"{PREDICTIONS}?limit=2&since=1970-01-01T00:16:41Z", []
    for _ in range(2):
        answer = client.get(address)
        ids += [row["id"] for row in answer.get_json()["predictions"]]
        link = answer.headers.get("Link", "")
        address = PREDICTIONS + link.partition(">")[0].strip("<")

    assert (IDS[:0:-1], "") == (ids, link)
    assert "no-store" == answer.headers["Cache-Control"]
    (row,) = client.get(f"{PREDICTIONS}?identifier=order=3").get_json()["predictions"]
    assert (IDS[3], {"colour": "red"}, "small") == (row["id"], row["record"], row["value"])
    (row,) = client.get(f"{PREDICTIONS}?id={IDS[1]}").get_json()["predictions"]
    assert "1970-01-01T00:16:41+00:00" == row["at"]
    assert [] == client.get("/v0/models/rent/predictions").get_json()["predictions"]


@pytest.mark.parametrize(
    "query",
    ["after=x", "since=soon", "identifier=7", "limit=0", "key=ana", "id=%00", "identifier=a=%00"],
)
def test_predictions_when_the_query_is_wrong_are_refused(client: FlaskClient, query: str) -> None:
    read_problem(client.get(f"{PREDICTIONS}?{query}"), 400)
    read_problem(client.get("/v0/models/none/predictions"), 404)


def test_log_when_without_keys_is_for_this_machine_alone(
    client: FlaskClient, tmp_path: Path
) -> None:
    far = {"environ_base": {"REMOTE_ADDR": "10.0.0.7"}}
    told = {"id": IDS[0], "value": "small"}
    assert "--scope log" in read_problem(client.get(PREDICTIONS, **far), 403)["detail"]
    assert (
        "--scope feedback" in read_problem(client.post(FEEDBACK, json=told, **far), 403)["detail"]
    )
    for name, value, is_near in (
        ("X-Forwarded-For", "10.0.0.7", False), ("Via", "1.1 proxy", False),
        ("X-Real-IP", "10.0.0.7", False), ("X-Forwarded-Proto", "https", False),
        ("Host", "rebound.example", False), ("Host", "127.0.0.1.rebound.example:8000", False),
        ("Host", "[::1", False), ("Host", "localhost:8000", True), ("Host", "[::1]:8000", True),
        ("Host", "127.0.0.1", True), ("Origin", "https://page.example", False),
        ("Origin", "null", False), ("Origin", "http://127.0.0.1:8000", True),
    ):  # fmt: skip
        assert client.get(PREDICTIONS, headers={name: value}).status_code == (
            200 if is_near else 403
        )
        answer = client.post(FEEDBACK, json=told, headers={name: value})
        assert answer.status_code == (202 if is_near else 403), (name, value)

    nginx = {"environ_overrides": {"SERVER_PROTOCOL": "HTTP/1.0"}}
    read_problem(client.get(PREDICTIONS, **nginx), 403)

    headers = {}
    for scope in ("read", "log", "feedback"):
        text, key = make_key(scope, scopes=(scope,))
        KeyFile(tmp_path / "keys.json").add(key)
        headers[scope] = {"x-api-key": text}
    client.application.extensions["resources"].callers.look()
    statuses = [client.get(PREDICTIONS, headers=headers[s], **far).status_code for s in headers]
    assert [403, 200, 403] == statuses
    statuses = [client.post(FEEDBACK, json=told, headers=headers[s]).status_code for s in headers]
    assert [403, 403, 202] == statuses


def test_predictions_when_the_database_is_away_get_503(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    away = serve(toy_store, "parcel", database_url="postgresql://ana:S3cret@127.0.0.1:1/x")

    assert "S3cret" not in str(read_problem(away.test_client().get(PREDICTIONS), 503))


def spooled(folder: Path) -> list[Any]:
    (path,) = folder.glob("*.spool")
    with path.open("rb") as file:
        return [entry for body, _ in read_frames(file.fileno(), 0, 2**20) for entry in decode(body)]


def test_outcomes_when_sent_are_in_the_spool_before_the_answer(
    client: FlaskClient, tmp_path: Path
) -> None:
    told = [{"id": IDS[0], "value": "small", "at": 5e8}, {"id": f"{IDS[1]}-3", "value": "large"}]

    assert {"accepted": 2} == client.post(FEEDBACK, json=told).get_json()
    assert 202 == client.post(FEEDBACK, json=told[0]).status_code
    table = f"id,value\n{IDS[2]},medium\n".encode("utf-16")
    head = {"Content-Type": "text/csv; charset=utf-16"}
    assert {"accepted": 1} == client.post(FEEDBACK, data=table, headers=head).get_json()

    first, second, third = spooled(tmp_path)
    assert isinstance(first, Outcomes) and "parcel" == first.model
    assert [(IDS[0], "small", 5e8), (f"{IDS[1]}-3", "large", None)] == [*map(tuple, first.outcomes)]
    assert (1, (IDS[2], "medium", None)) == (len(second.outcomes), tuple(third.outcomes[0]))


def test_outcomes_when_invalid_are_refused_whole(client: FlaskClient, tmp_path: Path) -> None:
    told = [{"id": IDS[0], "value": "small"}, {"id": "x", "value": "tiny"}]

    problem = read_problem(client.post(FEEDBACK, json=told), 422)

    assert {("/1/id", "wrong_type"), ("/1/value", "unknown_category")} == found(problem)
    assert [] == [*tmp_path.glob("*.spool")]
    for body, kind, status in (
        (b"{", "application/json", 400),
        (b"x", "application/vnd.apache.parquet", 415),
    ):
        read_problem(client.post(FEEDBACK, data=body, content_type=kind), status)


def test_outcomes_when_they_cannot_be_stored_get_503(
    client: FlaskClient, toy_client: FlaskClient, tmp_path: Path
) -> None:
    told = {"id": IDS[0], "value": "small"}
    assert "is off" in read_problem(toy_client.post(FEEDBACK, json=told), 503)["detail"]
    for _ in range(60):
        answer = client.post(FEEDBACK, json=[told] * 99)
        if answer.status_code != 202:
            break

    read_problem(answer, 503)
    assert "1" == answer.headers["Retry-After"]
