"""The DAGs of deploy/airflow, run by Airflow itself, in a copy of the project."""

import csv
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from runpy import run_path
from threading import Thread
from typing import Any
from unittest.mock import MagicMock

import pytest
from jinja2 import Environment

import build_model
import models
from engine.commands.versions import promote
from jobs import query
from persistence.model_persistence import ModelStore
from tests.support.project import ROOT, copy_project

DAGS, PINS = ROOT / "deploy/airflow/dags/models.py", ROOT / "deploy/airflow/requirements.txt"

TIPS = '''
from pathlib import Path
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from engine.schema import ModelDefinition, Number

fields = (Number(name="bill", example=20, minimum=0, maximum=500),)
definition = ModelDefinition(
    title="Tips", description="Tells the tip.", fields=fields,
    target=Number(name="tip", example=2), extras=("id", "at"), score="mae",
    sample=Path("incoming/tips.csv"), sample_note="made up",
    load_data=pd.read_csv, build_pipeline=lambda: Pipeline([("line", LinearRegression())]),
)
'''  # fmt: skip
SOURCE = """
[tips]
kind = "files"
path = "incoming/tips.csv"
key = ["id"]
time = "at"
columns = { id = "integer", at = "text" }
"""

#: A row every 30 minutes.
FIRST, ROWS = datetime(2026, 1, 1, tzinfo=UTC), 300


@pytest.fixture
def dag_file(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the file of the DAGs without Airflow, which the everyday tests don't install."""
    for name in ("airflow", "airflow.sdk", "airflow.providers.standard.operators.bash"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    return run_path(str(DAGS))


def test_dags_are_two_of_each_model_and_read_no_model_file(dag_file: dict[str, Any]) -> None:
    expected = {f"{kind}_{name}" for kind in ("training", "batch") for name in models.names()}

    assert expected == {name for name in dag_file if name.startswith(("training_", "batch_"))}
    assert not re.search(r"import (sklearn|pandas|models|engine)", DAGS.read_text())


def test_task_when_read_has_only_options_of_its_command(
    dag_file: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def told(main: Callable[[list[str]], object]) -> str:
        with pytest.raises(SystemExit):
            main(["--help"])
        return capsys.readouterr().out

    steps = dag_file["training"]("tips", {"time": "at"}) | dag_file["batch"]("tips", {})
    commands = [part.strip() for step in steps.values() for part in step.split("&&")]
    for command in commands:
        words = shlex.split(re.sub(r"{{.*?}}", "TIME", command))
        if words[0] != ".venv/bin/python" or words[1:2] == ["test_model.py"]:
            continue
        if words[1] == "build_model.py":
            known = told(build_model.main)
        elif words[2] == "flask":
            known = " ".join(option for each in promote.params for option in each.opts)
        else:
            known = told(import_module(words[2]).main)
        options = {word for word in words if word.startswith("--")}
        assert options == {word for word in options if re.search(rf"{word}\b", known)}, command


def test_dags_are_of_models_alone_also_of_one_with_a_word_of_sql_for_a_name(
    dag_file: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("LAKE", str(tmp_path / "lake"))
    for name in ("deploy/airflow/dags", "models", "jobs"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("order", "two words", "with-hyphen", "o" * 64, "Big", "schema", "__init__"):
        (tmp_path / f"models/{name}.py").touch()
    (tmp_path / "jobs/sources.toml").touch()
    found = run_path(shutil.copy(str(DAGS), str(tmp_path / "deploy/airflow/dags")))
    command = dag_file["collect"]("order", {}).split(" && ")[-1]

    query.main([shlex.split(command)[3], "--csv"])

    assert {"training_order", "batch_order"} == {
        name for name in found if name.startswith(("training_", "batch_"))
    }
    assert "Table with name order does not exist" in capsys.readouterr().err


def test_published_file_is_another_one_for_each_run_of_a_day(dag_file: dict[str, Any]) -> None:
    *_, step = dag_file["batch"]("tips", {})["publish"].split(" && ")
    name = Environment(autoescape=True).from_string(step)
    ends = [FIRST + timedelta(hours=1) * hour for hour in range(48)]

    assert 48 == len({name.render(data_interval_end=end, dag_run={}) for end in ends})
    assert name.render(dag_run={"run_after": FIRST}).endswith(" batch/tips/2026-01-01T0000.csv")


def test_requirements_pin_every_package_by_its_version_alone() -> None:
    lines = PINS.read_text().splitlines()

    assert [] == [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)]
    assert 1 == sum(line.startswith("apache-airflow==3.") for line in lines)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the project, with a model of tips and a source of 300 of them."""
    for name in [each for each in os.environ if each.startswith(("PYTEST", "AIRFLOW"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY", "1")
    folder = tmp_path / "project"
    monkeypatch.setenv("AIRFLOW_HOME", str(folder / ".airflow"))
    airflow(ROOT, "version")  # this makes the environment, whose programs know its folder
    copy_project(folder)
    for name in (".venv", ".setup"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "models/tips.py").write_text(TIPS)
    (folder / "jobs/sources.toml").write_text(SOURCE)
    (folder / "incoming").mkdir()
    write_tips(folder)
    return folder


def write_tips(folder: Path) -> None:
    """Write the rows of the source; a tip is about a tenth of the bill."""
    with (folder / "incoming/tips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "at", "bill", "tip"))
        for place in range(ROWS):
            time, bill = FIRST + timedelta(minutes=30) * place, 10 + place % 90
            writer.writerow((place, time.isoformat(), bill, bill / 10 + place % 7 / 100))


def airflow(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Airflow in a copy of the project."""
    command = [str(folder / "deploy/airflow/run"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def states(folder: Path, dag: str) -> dict[str, str]:
    """Return the state of each task of the last run of a DAG, and of the run itself."""
    with sqlite3.connect(folder / ".airflow/airflow.db") as database:
        last = "select run_id, state from dag_run where dag_id = ? order by id desc limit 1"
        run, state = database.execute(last, (dag,)).fetchone()
        tasks = "select task_id, state from task_instance where dag_id = ? and run_id = ?"
        return {**dict(database.execute(tasks, (dag, run))), "run": state}


class Alerts(HTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.posted: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Alerted)


class _Alerted(BaseHTTPRequestHandler):
    server: Alerts

    def do_POST(self) -> None:
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()


@pytest.mark.slow
def test_dags_when_airflow_runs_them_train_and_score_their_span_and_stop_at_a_failure(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = airflow(project, "dags", "test", "training_tips", "2026-01-12")

    assert 0 == done.returncode, (done.stdout + done.stderr)[-5000:]
    steps = ["validate", "collect", "preprocess", "train", "promote", "run"]
    assert dict.fromkeys(steps, "success") == states(project, "training_tips")
    store = ModelStore(project / "artifacts")
    version = store.promoted("tips")
    # Monday's run at four has the records before that: 4 days and 4 hours of them.
    assert 200 == store.read_card("tips")["data"]["rows"]

    spared = ("--mark-success-pattern", "validate")  # it has just been run
    done = airflow(project, "dags", "test", *spared, "batch_tips", "2026-01-03")

    assert 0 == done.returncode, (done.stdout + done.stderr)[-5000:]
    with (project / "batch/tips/2026-01-02T0500.csv").open(newline="") as file:
        answers = list(csv.DictReader(file))
    assert [*map(str, range(10, 58))] == sorted((row["id"] for row in answers), key=int)
    assert all(abs(float(row["value"]) - float(row["bill"]) / 10) < 0.1 for row in answers)

    alerts = Alerts()
    Thread(target=alerts.serve_forever, daemon=True).start()
    monkeypatch.setenv("ALERT_URL", f"http://127.0.0.1:{alerts.server_port}/")
    (project / "jobs/sources.toml").write_text(SOURCE.replace("incoming", "nowhere"))
    done = airflow(project, "dags", "test", *spared, "training_tips", "2026-01-19")

    alerts.shutdown()
    alerts.server_close()
    assert 0 != done.returncode
    found = states(project, "training_tips")
    assert {"run": "failed", "collect": "failed", "promote": "upstream_failed"} == {
        name: found[name] for name in ("run", "collect", "promote")
    }
    (posted,) = alerts.posted
    assert b"training_tips" in posted
    assert b"collect has failed" in posted
    assert 3 == (done.stdout + done.stderr).count("Command exited with return code 1")
    assert [version] == store.versions("tips")
