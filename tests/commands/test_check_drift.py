"""`flask check-drift`: what it prints, how it ends, whom it tells."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask

from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import OutcomeRow, PredictionRow
from tests.monitoring.test_drift_reports import SECRET, receiver
from tests.support.application import serve
from tests.support.project import ROOT
from tests.support.serving import DEADLINE, environment
from tests.support.toys import rent

MODEL = "rent"
SENT = 1_767_225_600.0  # the first second of 2026


def rows_of(store: ModelStore, count: int, *, shift: float = 1.0) -> list[PredictionRow]:
    """Answer rows like those of the training, one field of which may be multiplied."""
    version = load_version(store, MODEL)
    table = rent.load_data(Path())
    fields = version.schema.fields
    records = [
        {field.name: field.json_value(field.read(field.from_cell(row[field.column]))[0])
         for field in fields}
        for row in table.sample(count, replace=True, random_state=1).to_dict("records")
    ]  # fmt: skip
    for record in records:
        record["area"] = record["area"] and record["area"] * shift
    answers = version.predict(version.schema.columns(records))
    return [
        PredictionRow(id=f"{place:032x}", at=SENT + place, model=MODEL, version=version.version,
                      record=record, value=answer.value)
        for place, (record, answer) in enumerate(zip(records, answers, strict=True))
    ]  # fmt: skip


@pytest.fixture
def app(toy_store: ModelStore, tmp_path: Path) -> Flask:
    """The service over the toys, with a log of its own."""
    return serve(toy_store, MODEL, prediction_folder=tmp_path)


@pytest.fixture
def logged(toy_store: ModelStore, tmp_path: Path) -> Any:
    """Store predictions in the log."""

    def store(count: int, *, shift: float = 1.0) -> None:
        database = PredictionDatabase(tmp_path / "log.sqlite3")
        database.store(rows_of(toy_store, count, shift=shift))
        database.close()

    return store


def run(app: Flask, *options: Any) -> tuple[int, Any, str]:
    """Run the command; return its exit code, its document and what it says beside."""
    arguments = ["check-drift", MODEL, "--json", *map(str, options)]
    done = app.test_cli_runner().invoke(args=arguments)
    return done.exit_code, json.loads(done.stdout), done.stderr


def test_rows_of_the_log_when_they_have_not_moved_are_no_drift(app: Flask, logged: Any) -> None:
    logged(300)

    code, report, _ = run(app)

    assert (0, "none", 300, []) == (
        code, report["verdict"], report["rows"], report["shifted"]
    )  # fmt: skip
    metrics = app.test_client().get("/metrics").text
    assert 'model_drift{field="area",model="rent"} 0.0' in metrics
    assert 'model_drift_checked_at{model="rent"}' in metrics


def test_rows_of_the_log_when_they_have_moved_are_drift(app: Flask, logged: Any) -> None:
    logged(300, shift=1.6)

    code, report, _ = run(app)

    assert (1, "drift") == (code, report["verdict"])
    assert ["area", "(answer)"] == report["shifted"]
    metrics = app.test_client().get("/metrics").text
    assert 'model_drift{field="area",model="rent"} 1.0' in metrics
    assert 'model_drift{field="city",model="rent"} 0.0' in metrics


def test_webhook_when_it_is_not_set_is_refused_before_there_is_drift(app: Flask) -> None:
    code, document, _ = run(app, "--webhook")

    assert 2 == code
    assert "set DRIFT_WEBHOOK and DRIFT_WEBHOOK_SECRET" in document["error"]


def test_text_when_printed_names_every_field(app: Flask, logged: Any) -> None:
    logged(300, shift=1.6)

    text = app.test_cli_runner().invoke(args=["check-drift", MODEL]).stdout

    assert "300 rows: shifted: area, (answer)" in text
    assert {"area", "rooms", "city", "(answer)"} <= {
        line.split(" ")[0] for line in text.split("\n")
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "not enough yet: 0 of 100 rows"),
        (("--since", "2026-01-01T00:04:00Z"), "not enough yet: 60 of 100 rows"),
        (("--rows", "37"), "not enough yet: 37 of 100 rows"),
    ],
)
def test_window_when_it_has_few_rows_cannot_be_told(
    app: Flask, logged: Any, options: tuple[str, ...], reason: str
) -> None:
    if options:
        logged(300)

    code, report, _ = run(app, *options)

    assert (2, "unknown", reason) == (code, report["verdict"], report["reason"])


def test_tables_that_are_logged_by_their_files_are_named(
    app: Flask, toy_store: ModelStore, tmp_path: Path
) -> None:
    row, version = rows_of(toy_store, 1)[0], toy_store.promoted(MODEL)
    tables = [
        msgspec.structs.replace(
            row, id=f"{place:032x}", record=None, value={}, rows=500, sha256="0"
        )
        for place in range(1, 3)
    ]
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    database.store([row, *tables])
    database.close()

    code, report, _ = run(app)

    assert (2, 1, version) == (code, report["rows"], report["version"])
    assert (
        "1 of 100 rows; 2 tables are logged without their rows: give them by --data"
        in (report["reason"])
    )


@pytest.mark.parametrize("deleted", ["", "20200101T000000Z-00000"])
def test_quality_of_a_deleted_version_is_not_judged_by_another(
    app: Flask, toy_store: ModelStore, tmp_path: Path, deleted: str
) -> None:
    rows = rows_of(toy_store, 200)
    rows = [msgspec.structs.replace(row, version=deleted or row.version) for row in rows]
    outcomes = [
        OutcomeRow(model=MODEL, value=row.value * 1.01, source="", received_at=SENT, id=row.id)
        for row in rows
    ]
    database = PredictionDatabase(tmp_path / "log.sqlite3")
    database.store(rows, outcomes)
    database.close()

    done = app.test_cli_runner().invoke(args=["quality", MODEL, "--json"])

    scores = json.loads(done.stdout)["groups"][0]["scores"]
    assert {"mae", "rmse"} <= {*scores}
    assert bool(deleted) == ("interval_coverage" not in scores)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nobody"], "no promoted version of model 'nobody'"),
        ([MODEL, "--since", "yesterday"], "since is 'yesterday'"),
        ([MODEL, "--version", "1"], "has no version '1'"),
    ],
)
def test_check_when_refused_is_no_drift(app: Flask, arguments: list[str], reason: str) -> None:
    done = app.test_cli_runner().invoke(args=["check-drift", *arguments])

    assert 2 == done.exit_code
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_report_when_a_webhook_is_set_is_posted(
    toy_store: ModelStore, tmp_path: Path, logged: Any
) -> None:
    logged(300, shift=1.6)
    with receiver() as (address, got):
        told = {"drift_webhook": address, "drift_webhook_secret": SECRET}
        app = serve(toy_store, MODEL, prediction_folder=tmp_path, **told)
        _, report, _ = run(app, "--webhook")

    assert "sent" == report["webhook"]
    assert report["comparisons"] == json.loads(got[0][2])["comparisons"]


def test_file_when_it_has_many_rows_is_compared_by_some(
    app: Flask, toy_store: ModelStore, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    records = [row.record for row in rows_of(toy_store, 5000)]
    path.write_text("\n".join(map(json.dumps, records)))

    code, report, _ = run(app, "--data", path, "--rows", 400)

    assert (0, 400) == (code, report["rows"])


def test_file_when_a_row_is_not_valid_is_refused_with_its_place(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("area,rooms,city\n50,2,Recife\n50,two,Recife\n")

    code, report, _ = run(app, "--data", path)

    assert 2 == code
    assert [3, 2, "rooms"] == [report["errors"][0][name] for name in ("line", "row", "field")]


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), ZeroDivisionError()])
def test_failure_that_nobody_foresaw_is_not_drift(
    app: Flask, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(sys.modules["engine.commands.check_drift"], "compare", fail)
    done = app.test_cli_runner().invoke(args=["check-drift", MODEL])

    assert (2, True) == (done.exit_code, type(error).__name__ in done.stderr)


def test_setting_that_cannot_be_read_is_not_drift() -> None:
    for settings in ({"rate_limit": "many"}, {"database_url": "mysql://host/log"}):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "check-drift", MODEL], cwd=ROOT, check=False,
            env=environment(**settings), capture_output=True, timeout=DEADLINE,
        )  # fmt: skip
        assert 2 == done.returncode, done.stderr


@pytest.mark.parametrize("code", [0, 1])
def test_training_when_drifted_gets_the_same_data(
    app: Flask, logged: Any, tmp_path: Path, code: int
) -> None:
    logged(300, shift=1.6)
    (tmp_path / "build_model.py").write_text(
        "import json, pathlib, sys\n"
        "pathlib.Path('arguments').write_text(json.dumps(sys.argv[1:]))\n"
        f"sys.exit({code})\n"
    )
    app.root_path = str(tmp_path)

    _, idle, _ = run(app)
    exit_code, report, _ = run(app, "--retrain", "if-drifted")

    text = app.test_cli_runner().invoke(args=["check-drift", MODEL, "--retrain", "if-drifted"])
    assert f"\nretraining: {report['retraining']}\n" in text.stdout
    assert "retraining" not in idle
    assert 1 == exit_code
    assert ["rent", "--promote", "if-better"] == json.loads((tmp_path / "arguments").read_text())
    assert ("done" if code == 0 else "build_model.py ended with exit code 1") == report[
        "retraining"
    ]


@pytest.mark.parametrize("command", [("check-drift", MODEL), ("quality", MODEL)])
def test_command_without_scipy_names_it(
    app: Flask, command: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("monitoring.quality", "monitoring.estimate", "scoring.interval"):
        monkeypatch.delitem(sys.modules, f"engine.{name}", raising=False)
    for name in ("scipy", "scipy.special", "scipy.optimize"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed

    done = app.test_cli_runner().invoke(args=[*command])

    assert "scipy is not installed: pip install -r requirements.txt" in done.stderr
