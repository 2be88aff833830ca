"""`flask work` answers jobs beside the service, and gives its job back when it is ended."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.api.test_jobs import LATER, ask, shared_of, table
from tests.support.logged import drained, logging
from tests.support.project import ROOT
from tests.support.serving import DEADLINE, environment, wait_until

WORK = (sys.executable, "-m", "flask", "work")


@pytest.mark.slow
def test_process_answers_jobs_and_gives_back_what_it_has_begun(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    app = logging(toy_store, tmp_path / "log")
    client, jobs = app.test_client(), shared_of(app).jobs
    assert jobs is not None
    variables = environment(
        model_store=toy_store.root, default_model="parcel", prediction_folder=tmp_path / "log",
        prediction_log="async", keys_file=tmp_path / "no-keys.json",
    )  # fmt: skip

    def ask_for(rows: int) -> str:
        accepted: Any = ask(client, table(rows), Content_Type="text/csv", **LATER)
        return str(accepted.json["id"])

    def state_of(identifier: str) -> str:
        job = jobs.find(identifier)
        return job.state if job else ""

    short = ask_for(3)
    with subprocess.Popen(WORK, cwd=ROOT, env=variables, stderr=subprocess.PIPE) as process:
        wait_until(lambda: state_of(short) == "done", "the answer")
        long = ask_for(300_000)
        wait_until(lambda: state_of(long) == "running", "the beginning of the next")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)

    assert (0, False) == (process.returncode, b"Traceback" in errors), errors.decode()
    job = jobs.claim()
    assert job is not None
    assert (long, 1) == (job.id, job.attempts)
    assert {f"{short}-{row}" for row in range(3)} == {*drained(tmp_path / "log")}


def test_process_has_the_keys_of_a_bucket_before_the_first_job(
    toy_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job is answered only if the key that it came with is still valid."""
    app = logging(toy_store, tmp_path)
    shared, pulled = shared_of(app), []
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(shared.callers, "pull", lambda: pulled.append("pulled"))
    shared.stopping.set()

    result = app.test_cli_runner().invoke(args=["work"])

    assert (0, ["pulled"]) == (result.exit_code, pulled)


def test_command_without_a_log_says_what_is_missing(toy_store: ModelStore, tmp_path: Path) -> None:
    app = logging(toy_store, tmp_path, prediction_log="off")

    result = app.test_cli_runner().invoke(args=["work"])

    assert 1 == result.exit_code
    assert "set PREDICTION_LOG" in result.output
