"""The dashboard: what was sent is what it shows, in words, tables and pictures."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from engine.monitoring.drift import Comparison, Report
from engine.pages import charts
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import ANSWER, Count, OutcomeRow, PredictionRow
from tests.support.application import serve
from tests.support.logged import ask, drained, logging
from tests.support.models import EXAMPLES
from tests.support.project import ROOT

DASHBOARD = "/models/parcel/dashboard"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def app(toy_store: ModelStore, tmp_path: Path) -> Flask:
    """A service with a log."""
    return logging(toy_store, tmp_path, keys_file=tmp_path / "keys.json")


def rows_of(page: str, key: str) -> list[list[str]]:
    """Read the table of a chart's numbers: the cells of each row below its head."""
    (table,) = re.findall(rf'id="numbers-{key}".*?<table>(.*?)</table>', page, flags=re.DOTALL)
    rows = re.findall(r"<tr>(.*?)(?=<tr>|$)", table, flags=re.DOTALL)
    cells = [re.split(r"<t[hd][^>]*>", row)[1:] for row in rows]
    return [[cell.strip() for cell in row] for row in cells][1:]


def test_dashboard_when_nothing_is_logged_says_how_that_is_switched_on(
    toy_store: ModelStore,
) -> None:
    page = serve(toy_store, "parcel").test_client().get(DASHBOARD)

    assert 200 == page.status_code
    assert "PREDICTION_LOG=async" in page.text
    assert "<path" not in page.text


def test_dashboard_when_records_were_sent_shows_as_many(app: Flask, tmp_path: Path) -> None:
    empty = app.test_client().get(DASHBOARD).text
    ask(app, 7)
    drained(tmp_path)

    page = app.test_client().get(DASHBOARD)

    assert "No predictions in this time" in empty
    assert "7 records were answered." in page.text
    ((label, n),) = rows_of(page.text, "traffic")
    moment = time.strptime(label, "%Y-%m-%d %H:00")
    assert abs(time.time() - time.mktime(moment) + time.timezone) < 2 * 3600
    assert "7" == n
    answer = app.test_client().post("/v0/predict", json=EXAMPLES["parcel"]).get_json()
    value = answer["prediction"]["value"]
    assert f"{value} was the answer to 100.0% of the records." in page.text
    assert [[label, "7"]] == rows_of(page.text, "answers")
    assert "not enough rows yet to compare: 7 of 100" in page.text
    assert "script-src 'self'; connect-src 'self'" in page.headers["Content-Security-Policy"]
    assert not re.search(r'<script(?! src="\.\./\.\./static/dashboard\.js")| style=| on[a-z]+=',
                         page.text)  # fmt: skip


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("window=30d", 200, "Records per day"),
        ("window=9y", 400, "choose one of 24h, 7d"),
        ("from=2026-02-30&to=%3Cscript%3E", 400, "is not a date from 1970 on"),
        ("from=2026-01-02&to=2026-01-01", 400, "exchange them"),
        ("after=x", 400, "after"),
        ("window=24h&window=7d", 400, "indow is there 2 times"),
    ],
)
def test_window_when_chosen_is_shown_or_refused_on_the_page(
    app: Flask, tmp_path: Path, query: str, status: int, words: str
) -> None:
    ask(app)
    drained(tmp_path)

    page = app.test_client().get(f"{DASHBOARD}?{query}")

    assert (status, "text/html") == (page.status_code, page.mimetype)
    assert words in page.text
    assert "<script>" not in page.text
    assert ("<path" in page.text) == (status == 200)


def fill(folder: Path, version: str, newer: str) -> None:
    """Log ten days of two versions with outcomes: the older was right in 3 of 4 cases."""
    now, database = time.time(), PredictionDatabase(folder / "log.sqlite3")
    rows, outcomes, counts = [], [], []
    for day in range(10):
        at, which = now - 86_400 * (9 - day), newer if day >= 8 else version
        for number in range(40):
            value = "large" if number % 4 else "small"
            row = PredictionRow(
                id=f"{day * 100 + number:032x}", at=at, model="parcel", version=which, value=value,
                record=EXAMPLES["parcel"], seconds=0.002 if number else 0.004,
            )  # fmt: skip
            told = {"model": "parcel", "source": "s", "received_at": now, "value": "large"}
            outcomes += [OutcomeRow(**told, id=row.id)] if day < 8 or number < 12 else []  # type: ignore[arg-type]
            rows.append(row)
        hour = int(at // 3600)
        counts += [
            Count("parcel", which, hour, ANSWER, "large", 30),
            Count("parcel", which, hour, ANSWER, "small", 10),
            Count("parcel", which, hour, "shape", "tube", 40),
            Count("parcel", which, hour, "colour", "red", 14),
            Count("parcel", which, hour, "colour", "green", 13),
            Count("parcel", which, hour, "colour", "dark, blue", 13),
        ]
    database.store(rows, outcomes, counts)


def test_dashboard_when_versions_outcomes_and_drift_are_there_shows_each(
    two_parcels: ModelStore, tmp_path: Path
) -> None:
    old, new = two_parcels.versions("parcel")
    fill(tmp_path, old, new)
    app = logging(two_parcels, tmp_path)
    reports = app.extensions["resources"].reports
    shift = Comparison("shape", "values", 0.5, 1e-9, is_shifted=True, psi=0.9)
    for at, verdict in ((1.0e9, "none"), (1.1e9, "drift"), (1.2e9, "none")):
        found = [shift] if verdict == "drift" else []
        reports.keep(Report("parcel", old, 320, verdict, "", found, checked_at=at))

    page = app.test_client().get(f"{DASHBOARD}?window=30d").text

    assert "400 records were answered." in page
    assert [["40"]] * 10 == [row[1:] for row in rows_of(page, "traffic")]
    assert f"A: version {new} began to answer" in page
    assert f"A: version {old}" not in page
    # All of a day came at once: the first of them stands for its span of time.
    assert "Half of the records were answered within 4 ms." in page  # ten tell no more
    assert [["30", "10"]] * 10 == [row[1:] for row in rows_of(page, "answers")]
    sentence = rf"Share of right answers of version {old}: 0\.75, with a 95% interval of 0\.[67]"
    assert re.search(f"{sentence}.* from 320 outcomes", page)
    assert f"Version {new}: not enough outcomes yet, 24 of 30." in page
    assert ["0.75"] * 8 == [row[1] for row in rows_of(page, "quality")]
    # Only the older version has rows enough to compare, and all its parcels were tubes.
    assert "One field has moved away from the training rows: shape." in page
    assert f"Version {old}: 320 records" in page
    alarm = page[page.index("Drift alarm") :]
    assert "The last report has found no drift." in alarm
    assert 0 < alarm.index("2004-11-09 11:33:20<td>raised") - alarm.index("<td>cleared") < 200


def test_dashboard_when_numbers_are_predicted_shows_where_they_lie(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    version, now = toy_store.promoted("rent"), time.time()
    PredictionDatabase(tmp_path / "log.sqlite3").store(
        [
            PredictionRow(
                id=f"{number:032x}", at=now - 3500 + 30 * number, model="rent", version=version,
                value=100.0 * number, record={}, seconds=0.001,
            )
            for number in range(101)
        ],
        (), [Count("rent", version, int(now // 3600), ANSWER, "1000", 101)],
    )  # fmt: skip

    page = logging(toy_store, tmp_path, "rent").test_client().get("/models/rent/dashboard").text

    assert "Half of the answers are below 5000, and 8 of 10 lie between 1000 and 9000." in page


def test_numbers_when_they_came_at_once_are_all_of_them_and_none_are_made_up(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path, "rent")
    counts = [Count("rent", toy_store.promoted("rent"), int(time.time() // 3600), ANSWER, "", 3)]
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    database.store([], (), counts)
    table_alone = app.test_client().get("/models/rent/dashboard").text
    records = [{**EXAMPLES["rent"], "area": 20.0 + number} for number in range(101)]
    answer = app.test_client().post("/v0/models/rent/predict", json=records).get_json()
    drained(tmp_path)

    page = app.test_client().get("/models/rent/dashboard").text

    assert "3 records were answered." in table_alone
    assert "of the answers are below" not in table_alone
    middle = charts.number(answer["predictions"][50]["value"])
    assert f"Half of the answers are below {middle}," in page


def test_drift_when_a_table_was_logged_as_a_file_claims_nothing_of_its_fields(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    counts = [
        Count(
            "parcel", toy_store.promoted("parcel"), int(time.time() // 3600), ANSWER, "large", 300
        )
    ]
    PredictionDatabase(tmp_path / "log.sqlite3").store([], (), counts)

    page = logging(toy_store, tmp_path).test_client().get(DASHBOARD).text

    assert "300 records were answered." in page
    assert "not enough rows yet to compare: 0 of 100" in page
    assert "No field has moved away" not in page


def test_dashboard_of_a_version_whose_card_has_no_reference_says_so(tmp_path: Path) -> None:
    store = ModelStore(ROOT / "tests/support/versions/format_1")
    version = store.promoted("toy")
    counts = [Count("toy", version, int(time.time() // 3600), ANSWER, "high", 300)]
    PredictionDatabase(tmp_path / "log.sqlite3").store([], (), counts)

    page = logging(store, tmp_path, "toy").test_client().get("/models/toy/dashboard")

    assert 200 == page.status_code
    assert f"Version {version} keeps no counts of its training rows" in page.text
    assert "No field has moved away" not in page.text


def test_dashboard_when_asked_for_without_the_scope_is_refused(app: Flask, tmp_path: Path) -> None:
    client, pages = app.test_client(), (DASHBOARD, "/models/parcel/predictions")
    far: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": "10.0.0.7"}, "headers": BROWSER}
    for path in pages:
        refused = client.get(path, **far)
        assert (403, "text/html") == (refused.status_code, refused.mimetype)
        assert "--scope log" in refused.text
    assert "/dashboard" not in client.get("/models/parcel", **far).text
    assert f'href="../{DASHBOARD[1:]}"' in client.get("/models/parcel").text

    for scope, statuses in {"predict": (403, 200), "log": (200, 403)}.items():
        text, key = make_key(scope, scopes=(scope,))
        KeyFile(tmp_path / "keys.json").add(key)
        app.extensions["resources"].callers.look()
        headers = BROWSER | {"x-api-key": text}
        found = [client.get(path, headers=headers) for path in (DASHBOARD, "/models/parcel")]
        assert statuses == tuple(page.status_code for page in found)
        # A page leads nowhere where its reader may not go.
        assert "Try it" not in found[0].text
        assert "/dashboard" not in found[1].text


def test_dashboard_when_the_database_is_away_says_so(toy_store: ModelStore, tmp_path: Path) -> None:
    away = "postgresql://ana:S3cret@127.0.0.1:1/x"
    app = logging(toy_store, tmp_path, database_url=away)

    page = app.test_client().get(DASHBOARD, headers=BROWSER)

    assert (503, "text/html") == (page.status_code, page.mimetype)
    assert "S3cret" not in page.text


def test_numbers_of_refused_records_when_counted_are_shown(app: Flask) -> None:
    client = app.test_client()
    for _ in range(3):
        client.post("/v0/predict", data=json.dumps({**EXAMPLES["parcel"], "weight": 101}),
                    content_type="application/json")  # fmt: skip

    page = client.get(DASHBOARD).text

    assert "3 problems were found in the values that were sent." in page
    assert ["weight", "<code>out_of_range</code>", "3"] == rows_of(page, "refused")[0]
