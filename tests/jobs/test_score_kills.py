"""Scoring whose processes are killed: each row is answered once."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.jobs.score_runs import MANY, kill, read, start
from tests.support.project import ROOT
from tests.support.serving import wait_until
from tests.support.table_bodies import write_csv

#: How often a job is killed: a few times every day, more where that is asked for.
KILLS = int(os.environ.get("SCORE_KILLS", "8"))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.csv", "env:SCORES/scores"])
def test_job_when_killed_at_any_moment_ends_with_every_row_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    database = folder / "scores.sqlite3"
    sqlite3.connect(database).close()
    monkeypatch.setenv("SCORES", f"sqlite:///{database}")
    (folder / "in.csv").write_bytes(write_csv(MANY))
    begun = time.monotonic()
    assert 0 == start("in.csv", "whole.csv").wait()
    whole_seconds, draw = time.monotonic() - begun, random.Random(KILLS)  # noqa: S311
    for _ in range(KILLS // 2):
        process = start("in.csv", target)
        try:
            process.wait(draw.uniform(0, whole_seconds))
        except subprocess.TimeoutExpired:
            kill(process)

        assert 0 == start("in.csv", target).wait()

        if target == "out.csv":
            assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
            assert [] == [each for each in folder.iterdir() if each.is_dir()]
            (folder / "out.csv").unlink()
            continue
        with sqlite3.connect(database) as connection:
            found = connection.execute(
                "SELECT row_number, weight, note, value FROM scores ORDER BY 1"
            )
            expected = [
                (number, float(each["weight"]), each["note"] or None, each["value"])
                for number, each in enumerate(read(folder / "whole.csv"), 1)
            ]
            assert expected == found.fetchall()
            connection.execute("DELETE FROM scores")
            connection.execute("DELETE FROM scores_parts")


@pytest.mark.slow
def test_cluster_whose_workers_are_killed_scores_every_row_once(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (folder / "in.csv").write_bytes(write_csv(MANY * 3))
    assert 0 == start("in.csv", "whole.csv").wait()
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    command = [*program, "--host", "tcp://127.0.0.1", "--port", "0", "--no-dashboard",
               "--scheduler-file", "scheduler.json"]  # fmt: skip
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file",
              "scheduler.json", "--nthreads", "1", "--no-nanny", "--no-dashboard"]  # fmt: skip
    try:
        wait_until((folder / "scheduler.json").exists, "the scheduler")
        processes += [
            subprocess.Popen(worker, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)
        ]
        address = json.loads((folder / "scheduler.json").read_text())["address"]
        job = start("in.csv", "out.csv", "--scheduler", address)
        parts = folder / "out.csv.parts"
        wait_until(lambda: any(parts.glob("done-*")), "the first part")
        processes[1].kill()
        processes.append(subprocess.Popen(worker, env=environment, stderr=subprocess.DEVNULL))
        assert 0 == job.wait()
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()

    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
