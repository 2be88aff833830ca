"""Logged predictions as pages: listed, found again by id or identifier, and explained."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from flask import Flask

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import OutcomeRow, PredictionRow
from tests.support.application import serve
from tests.support.logged import ask, drained, logging
from tests.support.models import EXAMPLES

PREDICTIONS = "/models/parcel/predictions"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "</code><script>alert(1)</script>"


@pytest.fixture
def app(toy_store: ModelStore, tmp_path: Path) -> Flask:
    """A service with a log."""
    return logging(toy_store, tmp_path, keys_file=tmp_path / "keys.json")


def store(folder: Path, count: int, **changes: Any) -> list[PredictionRow]:
    values: dict[str, Any] = {
        "model": "parcel", "version": "gone", "value": "small", "record": EXAMPLES["parcel"],
    }  # fmt: skip
    rows = [
        PredictionRow(id=f"{number:032x}", at=1000.0 + number, identifiers={"order": number},
                      **values | changes)
        for number in range(count)
    ]  # fmt: skip
    PredictionDatabase(folder / "log.sqlite3").store(rows)
    return rows


def ids_of(page: str) -> list[str]:
    return re.findall(r'predictions/([0-9a-f]{32}(?:-\d+)?)">', page)


def test_predictions_when_listed_are_the_newest_and_lead_to_the_earlier_ones(
    app: Flask, tmp_path: Path
) -> None:
    rows, client = store(tmp_path, 120), app.test_client()

    address, found = PREDICTIONS, list[str]()
    for _ in range(3):
        page = client.get(address).text
        found += ids_of(page)
        following = re.search(r'href="(\?[^"]*)" rel="next"', page)
        address = PREDICTIONS + (following[1].replace("&amp;", "&") if following else "")

    assert [row.id for row in reversed(rows)] == found
    assert following is None


def test_prediction_when_searched_for_is_found_by_id_and_by_identifier(
    app: Flask, tmp_path: Path
) -> None:
    rows, client = store(tmp_path, 20), app.test_client()

    by_id = client.get(f"{PREDICTIONS}?search=%20{rows[7].id}%20")
    by_name = client.get(f"{PREDICTIONS}?search=order%3D7").text

    assert (302, f"predictions/{rows[7].id}") == (by_id.status_code, by_id.headers["Location"])
    assert [rows[7].id] == ids_of(by_name)
    assert 'value="order=7"' in by_name
    for text in ("order=99", "f" * 32, "'; DROP TABLE prediction_log; --", "../../etc", "\0"):
        nothing = client.get(f"{PREDICTIONS}?search={quote(text)}")
        assert 200 == nothing.status_code
        assert "No prediction has this id or identifier" in nothing.text
    assert "<script>" not in client.get(f"{PREDICTIONS}?search={quote(HOSTILE)}").text
    assert 20 == len(ids_of(client.get(PREDICTIONS).text))


@pytest.mark.parametrize("text", ["f" * 32, "x", "..%2F..%2Fetc%2Fpasswd", quote(HOSTILE), "%00"])
def test_prediction_when_there_is_none_is_a_page_that_says_so(app: Flask, text: str) -> None:
    page = app.test_client().get(f"{PREDICTIONS}/{text}", headers=BROWSER)

    assert (404, "text/html") == (page.status_code, page.mimetype)
    assert ("/" in unquote(text)) != ("no logged prediction" in page.text)
    assert "<script>" not in page.text


def test_prediction_when_shown_is_what_was_answered_and_is_explained_without_being_logged(
    app: Flask, tmp_path: Path
) -> None:
    (prediction_id,) = ask(app)
    row = drained(tmp_path)[prediction_id]
    PredictionDatabase(tmp_path / "log.sqlite3").store([], [
        OutcomeRow(model="parcel", value=value, source=f"{value}.csv", received_at=at, at=at,
                   id=prediction_id)
        for value, at in (("large", 1e9), ("medium", 1.1e9))
    ])  # fmt: skip
    client = app.test_client()

    page = client.get(f"{PREDICTIONS}/{prediction_id}").text

    assert f"Size: {row.value}" in page
    assert row.version in page
    told = [*re.findall(r"<tr><td>(large|medium)", page)]
    assert ["medium", "large"] == told  # the one that counts comes first
    assert "2004-11-09 11:33:20" in page
    answer = client.post("/v0/predict?explain=true", json=EXAMPLES["parcel"]).get_json()
    for part in answer["prediction"]["explanation"]["contributions"]:
        share = re.escape(f"{100 * part['contribution']:+.1f}".replace("+-", "-"))
        assert re.search(rf"<tr><td>{part['field']}<td>.*?{share}", page), part
    assert "Computed anew by the version that has answered." in page
    (again,) = re.findall(r'href="([^"]*)">Try it with these values', page)
    values = parse_qs(urlsplit(again.replace("&amp;", "&")).query)
    expected = {"weight": "12.5", "colour": "dark, blue", "fragile": "true", "express": "false"}
    assert expected.items() <= {name[6:]: given for name, (given,) in values.items()}.items()
    assert again.startswith("../../../models/parcel?")
    assert 2 == len(drained(tmp_path))  # what was asked here, and nothing of the page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"record": EXAMPLES["parcel"] | {"colour": "(private)"}}, "not stored: colour"),
        ({}, "The version that has answered cannot be loaded here now."),
        ({"record": None, "rows": 7, "sha256": "ab" * 32}, "logged by its digest"),
        ({"record": {"colour": HOSTILE}, "version": None}, "cannot be explained"),
    ],
)  # fmt: skip
def test_prediction_when_it_cannot_be_explained_says_why(
    app: Flask, toy_store: ModelStore, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    if "version" in changes:
        changes = changes | {"version": toy_store.promoted("parcel")}
    (row,) = store(tmp_path, 1, **changes)

    page = app.test_client().get(f"{PREDICTIONS}/{row.id}")

    assert 200 == page.status_code
    assert words in page.text
    assert "<script>" not in page.text


def test_record_and_outcome_when_shown_have_all_their_digits(app: Flask, tmp_path: Path) -> None:
    record = {**EXAMPLES["parcel"], "weight": 1234.5678901, "height": 1234567.25}
    (row,) = store(tmp_path, 1, record=record)
    outcome = OutcomeRow(
        model="parcel", id=row.id, value=0.123456789, at=1.0, received_at=1.0, source="s"
    )
    PredictionDatabase(tmp_path / "log.sqlite3").store([], [outcome])

    page = app.test_client().get(f"{PREDICTIONS}/{row.id}").text

    assert "<td>1234.5678901" in page
    assert "<td>1,234,567.25" in page
    assert "<td>0.123456789" in page


def test_explanation_when_the_key_may_not_predict_is_left_out(app: Flask, tmp_path: Path) -> None:
    (prediction_id,) = ask(app)
    drained(tmp_path)
    text, key = make_key("auditor", scopes=("log",))
    KeyFile(tmp_path / "keys.json").add(key)
    app.extensions["resources"].callers.look()

    page = app.test_client().get(f"{PREDICTIONS}/{prediction_id}", headers={"x-api-key": text})

    assert "Your key lacks the scope predict" in page.text
    assert "Try it with these values" not in page.text
    assert "dark, blue" in page.text


def test_cards_when_predictions_are_logged_have_traffic_and_state(
    app: Flask, tmp_path: Path
) -> None:
    ask(app, 3)
    drained(tmp_path)
    far = {"environ_base": {"REMOTE_ADDR": "10.0.0.7"}}

    near, other = (app.test_client().get("/models", **kind).text for kind in ({}, far))

    parcel = near[near.index("Parcel size") :]
    assert "3 records in 24 hours" in parcel
    assert 1 == len(re.findall(r'<path class="s1" d="M[^"]+z"', near))  # rent and coin have no bar
    assert "Ready" in parcel
    assert 2 == near.count("Loaded at the first request")
    assert "records in 24 hours" not in other
    assert "/dashboard" not in other


def test_cards_when_the_database_is_away_are_shown_without_traffic(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    away = logging(toy_store, tmp_path, database_url="postgresql://ana:S3cret@127.0.0.1:1/x")
    off = serve(toy_store, "parcel")

    for app in (away, off):
        page = app.test_client().get("/models", headers=BROWSER)
        assert 200 == page.status_code
        assert "Parcel size" in page.text
        assert "in 24 hours" not in page.text


@pytest.mark.parametrize(("sent", "is_shown"), [("order-17", True), ("", False)])
def test_prediction_when_its_sender_named_the_request_shows_that_name_alone(
    app: Flask, tmp_path: Path, sent: str, *, is_shown: bool
) -> None:
    client = app.test_client()
    answer = client.post("/v0/predict", json=EXAMPLES["parcel"], headers={"X-Request-Id": sent})
    drained(tmp_path)

    page = client.get(f"{PREDICTIONS}/{answer.headers['X-Prediction-Id']}").text

    assert is_shown == (f"<code>{answer.headers['X-Request-Id']}</code>" in page)
