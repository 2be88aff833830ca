"""Let a scheduler of Airflow run every DAG once, on a copy of the project, and a backfill.

For instance::

    python -m tests.deploy.scheduler milk delay

Without names it takes all models. The sources are the samples; the API of the beers has a stand-in.
It prints the state of each run, and ends with 1 if one of them is not a success.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import models
from tests.support.beer_api import beer_api, sample_beers
from tests.support.project import ROOT, list_files
from tests.support.serving import free_port, wait_until

#: The longest wait for all runs.
_SECONDS = 3600.0
#: Two days of which the sample of delays has flights.
_BACKFILL = ("backfill", "create", "--dag-id", "batch_delay", "--from-date", "2017-03-01",
             "--to-date", "2017-03-03", "--max-active-runs", "1")  # fmt: skip
_ENDS = ("success", "failed")


def main(names: list[str]) -> int:
    """Run the DAGs of the models; return the exit code."""
    names = names or models.names()
    with TemporaryDirectory() as place:
        os.environ["AIRFLOW_HOME"] = f"{place}/.airflow"
        subprocess.run([ROOT / "deploy/airflow/run", "version"], check=True)
        with beer_api(sample_beers()) as api:
            runs = run_dags(copy(Path(place), api.port), names)
    for dag, run, state in runs:
        print(f"{dag:<20} {run:<50} {state}")
    return int({state for _, _, state in runs} != {"success"})


def copy(folder: Path, port: int) -> Path:
    """Copy the project with all of its models and tables."""
    for name in list_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in (".venv", ".setup"):
        (folder / name).symlink_to(ROOT / name)
    sources = folder / "jobs/sources.toml"
    sources.write_text(sources.read_text().replace("127.0.0.1:8333", f"127.0.0.1:{port}"))
    return folder


def run_dags(project: Path, names: list[str]) -> list[tuple[str, str, str]]:
    """Switch the training of each model on, then its batch; return the DAG, run and state of all.

    A DAG that is switched on is run for the last interval of its schedule.
    """
    run, port = str(project / "deploy/airflow/run"), str(free_port())
    pages = f"http://127.0.0.1:{port}"
    os.environ.update({
        "AIRFLOW__API__PORT": port, "AIRFLOW__API__BASE_URL": pages,
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "5",
    })  # fmt: skip

    def answers() -> bool:
        with suppress(OSError), urlopen(f"{pages}/api/v2/version", timeout=5):  # noqa: S310
            return True
        return False

    def ask(*words: str) -> None:
        subprocess.run([run, *words], check=True, stdout=subprocess.DEVNULL)

    def switch_on(kind: str, *, runs: int) -> None:
        dags = f"{kind}_({'|'.join(names)})"
        ask("dags", "unpause", "--treat-dag-id-as-regex", "--yes", dags)
        wait_until(lambda: len(ended(project)) >= runs, f"{runs} runs", seconds=_SECONDS)

    ask("dags", "reserialize")
    service = subprocess.Popen(
        [run, "standalone"], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(answers, "Airflow's pages", seconds=_SECONDS)  # tasks report to that server
        switch_on("training", runs=len(names))
        days = 2 if "delay" in names else 0
        if days:
            ask(*_BACKFILL)
        switch_on("batch", runs=2 * len(names) + days)
    finally:
        os.killpg(service.pid, SIGTERM)  # its parts outlive it otherwise
        service.wait()
    return ended(project)


def ended(project: Path) -> list[tuple[str, str, str]]:
    """Return the runs that have ended."""
    with sqlite3.connect(project / ".airflow/airflow.db") as database:
        runs = database.execute("select dag_id, run_id, state from dag_run order by id").fetchall()
    return [one for one in runs if one[2] in _ENDS]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
