"""The commands of the prediction log find, export and delete predictions and judge them."""

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from persistence import prediction_spool
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import ANSWER, Count, OutcomeRow, PredictionRow
from tests.support.application import serve
from tests.support.logged import spooled

IDS = [f"{number:032x}" for number in range(40)]


@pytest.fixture
def database(tmp_path: Path) -> PredictionDatabase:
    """The log of a service, with 40 predictions of parcel."""
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    rows = [
        PredictionRow(
            id=id_, at=1000.0 + place, model="parcel", version="v1", value="small",
            record={"colour": "red"}, key="ana" if place < 3 else "bo",
            identifiers={"order": place // 2},
        )
        for place, id_ in enumerate(IDS)
    ]  # fmt: skip
    database.store(rows, (), [Count("parcel", "v1", 0, ANSWER, "small", 40)])
    return database


@pytest.fixture
def run(
    database: PredictionDatabase, toy_store: ModelStore, tmp_path: Path
) -> Callable[..., Result]:
    """Run a command of flask over that log."""
    settings = {"prediction_folder": tmp_path, "database_url": ""}
    runner = serve(toy_store, "parcel", **settings).test_cli_runner()
    return lambda *arguments: runner.invoke(args=[*map(str, arguments)])


def read(result: Result) -> Any:
    assert 0 == result.exit_code, result.output
    return json.loads(result.stdout)


def test_tail_when_filtered_shows_the_newest_of_these(run: Callable[..., Result]) -> None:
    shown = read(run("log", "tail", "--json", "-n", 2))["predictions"]

    assert IDS[-2:] == [row["id"] for row in shown]
    assert "1970-01-01T00:17:19+00:00" == shown[-1]["at"]
    assert IDS[38] in run("log", "tail").stdout
    filters = "--key", "ana", "--identifier", "order=1", "--since", "1970-01-01T00:16:41Z"
    assert [IDS[2]] == [
        row["id"] for row in read(run("log", "tail", "--json", *filters))["predictions"]
    ]
    assert "no logged prediction matches" in run("log", "tail", "--model", "rent").stdout
    assert "since is 'soon': send a date" in run("log", "tail", "--since", "soon").stderr


def test_export_when_as_csv_or_parquet_has_every_prediction(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    rows = [*csv.DictReader(io.StringIO(run("log", "export").stdout))]

    assert IDS == [row["id"] for row in rows]
    assert ("small", '{"colour":"red"}', '{"order":19}') == tuple(
        rows[-1][name] for name in ("value", "record", "identifiers")
    )
    file = tmp_path / "log.parquet"
    assert 40 == read(run("log", "export", "--output", file, "--json"))["predictions"]
    pandas = pytest.importorskip("pandas")
    assert IDS == pandas.read_parquet(file)["id"].tolist()
    assert 0o600 == file.stat().st_mode & 0o777, "it has what people sent"
    assert "is there already" in run("log", "export", "--output", file).stderr
    assert 2 == run("log", "export", "--json").exit_code  # CSV is no JSON document
    assert "0 predictions written" in run("log", "export", "--version", "none").stderr


def test_export_of_outcomes_has_those_of_the_predictions_that_are_meant(
    run: Callable[..., Result], database: PredictionDatabase, tmp_path: Path
) -> None:
    told: dict[str, Any] = {"model": "parcel", "value": True, "received_at": 2000.0}
    others = OutcomeRow(**told, source="bo", identifiers={"order": "9"})
    database.store((), [OutcomeRow(**told, source="ana", at=1000.0, id=IDS[3]), others])

    text = run("log", "export", "--outcomes", "--identifier", "order=1").stdout
    file = tmp_path / "outcomes.parquet"
    all_told = read(run("log", "export", "--outcomes", "--output", file, "--json"))

    assert [
        "prediction,model,value,at,received_at,source",
        f"{IDS[3]},parcel,true,1970-01-01T00:16:40+00:00,1970-01-01T00:33:20+00:00,ana",
    ] == text.splitlines()
    assert 3 == all_told["outcomes"], "one by id, one of two predictions"
    pandas = pytest.importorskip("pandas")
    assert {IDS[3], IDS[18], IDS[19]} == {*pandas.read_parquet(file)["prediction"]}


def test_delete_when_by_identifier_deletes_these_and_asks(
    run: Callable[..., Result], database: PredictionDatabase
) -> None:
    assert 2 == run("log", "delete", "--model", "parcel", "--yes").exit_code
    assert 2 == run("log", "delete", "--key", "", "--yes").exit_code  # all that came without one
    assert 1 == run("log", "delete", "--key", "ana").exit_code  # nobody has said yes

    assert (
        2 == read(run("log", "delete", "--identifier", "order=1", "--yes", "--json"))["predictions"]
    )

    assert "nothing is deleted" in run("log", "delete", "--id", "x", "--yes").stdout
    for words in (("tail",), ("export",), ("delete", "--yes")):
        unknown = run("log", *words, "--identifier", "Order Number=1")
        assert 1 == unknown.exit_code
        assert "nothing in the log has an identifier 'Order Number'" in unknown.stderr

    (rows,) = database.select()
    assert [*IDS[:2], *IDS[4:]] == [row.id for row in rows]


def test_quality_when_outcomes_come_from_a_file_is_theirs(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "truth.csv"
    truth = ["large" if place % 4 == 0 else "small" for place in range(40)]
    lines = [f"{id_},{value},n" for id_, value in zip(IDS, truth, strict=True)]
    file.write_text("\n".join(["id,size,note", *lines]))

    assert {"model": "parcel", "outcomes": 40} == read(run("feedback", file, "--json"))
    run("feedback", file)  # which changes nothing
    measured = read(run("quality", "parcel", "--by", "colour", "--json"))

    (group,) = measured["groups"]
    assert (40, "red", 0.75) == (group["n"], group["segment"], group["scores"]["accuracy"]["value"])
    assert 0 == measured["contradicted"]
    assert "accuracy" in run("quality", "parcel").stdout
    assert "not a category" in run("quality", "parcel", "--by", "weight").stderr
    refused = run("quality", "parcel", "--version", "v2")
    assert 1 == refused.exit_code and "there are: v1\n" in refused.stderr
    file.write_text(f"id,size\n{IDS[0]},tiny\nx,small\n")
    refused = run("feedback", file)
    assert "row 1, value: is 'tiny'" in refused.stderr and "row 2, id: is 'x'" in refused.stderr


def test_drain_when_predictions_are_too_old_deletes_them(
    database: PredictionDatabase, toy_store: ModelStore, tmp_path: Path
) -> None:
    settings = {"prediction_folder": tmp_path, "prediction_days": 30}
    runner = serve(toy_store, "parcel", **settings).test_cli_runner()
    recent = PredictionRow(
        id="1", at=time.time(), model="parcel", version="v1", value="small", record={}
    )
    database.store([recent])

    assert 0 == runner.invoke(args=["log", "drain"]).exit_code

    assert ["1"] == [row.id for rows in database.select() for row in rows]


def test_log_when_served_judged_and_deleted_has_each_prediction_once(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_spool, "ROTATED_SECONDS", 0.0)
    settings: dict[str, Any] = {"prediction_log": "async", "prediction_folder": tmp_path}
    app = serve(toy_store, "parcel", **settings)
    client, runner = app.test_client(), app.test_cli_runner()
    record = toy_store.read_card("parcel")["example"]["record"]
    answers = [client.post("/v0/predict", json=record) for _ in range(3)]
    answers.append(client.post("/v0/predict", json=[record] * 27))
    ids = [answer.headers["X-Prediction-Id"] for answer in answers]
    value = answers[0].get_json()["prediction"]["value"]
    every = [*ids[:3], *(f"{ids[3]}-{number}" for number in range(27))]
    told = [{"id": id_, "value": value} for id_ in every]
    assert 202 == client.post("/v0/models/parcel/feedback", json=told).status_code

    assert 0 == runner.invoke(args=["log", "drain"]).exit_code

    (group,) = read(runner.invoke(args=["quality", "parcel", "--json"]))["groups"]
    assert (30, 1.0) == (group["n"], group["scores"]["accuracy"]["value"])
    assert 0 < group["scores"]["log_loss"]["value"] < 1
    client.post("/v0/predict", json=record)  # which waits in the spool
    deleted = read(runner.invoke(args=["log", "delete", "--id", ids[3], "--yes", "--json"]))
    assert {"predictions": 27, "outcomes": 27} == deleted
    app.extensions["resources"].log.look()
    assert 0 == runner.invoke(args=["log", "drain"]).exit_code
    assert ids[3].encode() not in spooled(tmp_path)
    rows = read(runner.invoke(args=["log", "tail", "--json"]))["predictions"]
    assert 4 == len(rows) and record == rows[-1]["record"]
