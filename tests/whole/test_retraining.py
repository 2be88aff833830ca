"""The how-to's lines for a schedule: a service's log drifts, and only then a version is trained."""

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from tests.support.project import ROOT, copy_project
from tests.support.serving import Server, environment, running, wait_until
from tests.support.toys import loan

pytestmark = pytest.mark.slow

LINES = re.findall(
    r'```sh title="after drift"\n(.+?)```',
    (ROOT / "docs/how-to/retrain-every-week.md").read_text(), re.DOTALL,
)[0].replace("credit", "mine").replace("if-better", "if-better --version v2")  # fmt: skip


def scheduled(project: Path, **settings: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-c", LINES], cwd=project, env=environment(**settings),
                          capture_output=True, text=True)  # fmt: skip


def applicants(table: Path, *, years: int = 0) -> list[dict[str, Any]]:
    """Return the applicants of a table, who may be older by so many years."""
    with table.open() as file:
        return [
            {"tenure": int(row["Tenure"]), "age": min(int(row["Age"]) + years, 100),
             "job": row["Job"], "price": int(row["Price"])}
            for row in csv.DictReader(file)
        ]  # fmt: skip


def test_log_when_it_drifts_has_a_version_trained_and_otherwise_none(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project / "models/mine.py").write_text(Path(loan.__file__).read_text())
    (project / ".venv").symlink_to(ROOT / ".venv")
    loan.write_table(project / "applicants.csv")
    settings: dict[str, Any] = {"model_store": project / "artifacts", "default_model": "mine",
                "prediction_log": "async", "prediction_folder": tmp_path / "log"}  # fmt: skip
    first = [sys.executable, "build_model.py", "mine", "--data", "applicants.csv"]
    subprocess.run(first, cwd=project, env=environment(), check=True, capture_output=True)
    store = ModelStore(project / "artifacts")

    with running(tmp_path, project=project, **settings) as server:
        answer_all(server, applicants(project / "applicants.csv"), tmp_path / "log", 300)
        steady = scheduled(project, **settings)
        assert (0, 1) == (steady.returncode, len(store.versions("mine"))), steady.stderr
        answer_all(server, applicants(project / "applicants.csv", years=40), tmp_path / "log", 600)
        drifted = scheduled(project, **settings)

    assert 0 == drifted.returncode, drifted.stderr
    assert "mine: training on applicants.csv" in drifted.stdout
    promoted, trained = store.versions("mine")
    assert (promoted, trained) == (store.promoted("mine"), store.identifier("mine", "v2"))
    assert "undecided" == store.read_card("mine", trained)["challenge"]["verdict"]


def answer_all(server: Server, records: list[dict[str, Any]], log: Path, total: int) -> None:
    """Send the applicants to the service, and wait until so many predictions are stored."""
    status, answer = server.ask("/v0/models/mine/predict", records)
    assert 200 == status, answer
    wait_until(lambda: figures(log)["prediction_log_stored"] >= total, f"{total} stored")
