"""The how-to's lines for a schedule: a service's log drifts, and only then a version is trained."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.project import ROOT, copy_project
from tests.support.serving import Server, environment, running, wait_until
from tests.support.toys import rent

pytestmark = pytest.mark.slow

LINES = re.findall(
    r'```sh title="after drift"\n(.+?)```',
    (ROOT / "docs/how-to/retrain-every-week.md").read_text(), re.DOTALL,
)[0].replace("credit", "rent").replace("if-better", "if-better --version v2")  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, toy_store: ModelStore) -> Path:
    """A project whose model is rent, with a version of it."""
    project = copy_project(tmp_path / "project")
    shutil.copy(rent.__file__, project / "models/rent.py")
    shutil.copytree(toy_store.root, project / "artifacts")
    (project / "applicants.csv").write_text("rent makes its rows itself\n")
    (project / ".venv").symlink_to(ROOT / ".venv")
    return project


def answer(server: Server, log: Path, *, times: float, stored: int) -> None:
    """Send flats like those of the training, of times the area; wait until all are logged."""
    table = rent.load_data(Path()).sample(300, replace=True, random_state=1)
    records = table.assign(area=table["area"] * times).drop(columns="rent").to_dict("records")
    status, body = server.ask("/v0/models/rent/predict", records)
    assert 200 == status, body
    wait_until(lambda: figures(log)["prediction_log_stored"] >= stored, f"{stored} stored")


def scheduled(project: Path, **settings: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-c", LINES], cwd=project, env=environment(**settings),
                          capture_output=True, text=True)  # fmt: skip


def test_log_when_it_drifts_has_a_version_trained_and_otherwise_none(
    project: Path, tmp_path: Path
) -> None:
    log, store = tmp_path / "log", ModelStore(project / "artifacts")
    settings: dict[str, Any] = {"default_model": "rent", "web_concurrency": 1,
                                "prediction_log": "async", "prediction_folder": log}  # fmt: skip

    with running(tmp_path, project=project, **settings) as server:
        answer(server, log, times=1, stored=300)
        steady = scheduled(project, **settings)
        assert (0, 1) == (steady.returncode, len(store.versions("rent"))), steady.stderr
        answer(server, log, times=1.6, stored=600)
        drifted = scheduled(project, **settings)

    assert 0 == drifted.returncode, drifted.stderr
    promoted, trained = store.versions("rent")
    assert (promoted, trained) == (store.promoted("rent"), store.identifier("rent", "v2"))
    assert "undecided" == store.read_card("rent", trained)["challenge"]["verdict"]

    make = ("make", "-s", "-o", "deps", "serve", "model=rent", "version=v2")
    with running(tmp_path, project=project, command=make, until="", web_concurrency=1) as server:
        wait_until(lambda: server.answers("/livez"), "the service of v2")
        status, body = server.ask("/v0/predict", EXAMPLES["rent"])
    assert (200, trained) == (status, body["model"]["version"])
    assert promoted == store.promoted("rent")
