"""Two DAGs for each file in models/: one trains the model, the other scores a batch with it.

Each task is a command of the project, which a person may type in the project's folder. Airflow has
an environment of its own, so nothing of the project is imported here.
"""

import json
import os
import re
import shlex
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, chain

#: When they run, by the name of a DAG, such as "batch_delay", or else by its kind: cron, in UTC.
SCHEDULES = {"training": "0 4 * * 1", "batch": "0 5 * * *"}

PROJECT = Path(__file__).resolve().parents[3]
PYTHON = ".venv/bin/python"
#: The span of time of a run, its end in the name of a file, and the folder in which one of its
#: tasks leaves files to the next.
SINCE = "{{ data_interval_start | ts }}"
UNTIL = "{{ data_interval_end | default(dag_run.run_after) | ts }}"
END = "{{ (data_interval_end | default(dag_run.run_after)).strftime('%Y-%m-%dT%H%M') }}"
FOLDER = ".airflow/runs/{{ dag.dag_id }}/{{ run_id }}"


def training(name: str, source: dict[str, Any]) -> dict[str, str]:
    """Return the command of each step that trains a model on all records before the run's end."""
    return {
        "validate": f"{PYTHON} test_model.py {name}",
        "collect": collect(name, source, until=UNTIL),
        "preprocess": f"{PYTHON} -m jobs.check {name} --data {FOLDER}/collected.csv "
        f"--report {FOLDER}/check.html --rejected {FOLDER}/rejected.csv",
        "train": f"{PYTHON} build_model.py {name} --data {FOLDER}/collected.csv --promote never",
        "promote": f"{PYTHON} -m flask models promote {name} --if-better",
    }


def batch(name: str, source: dict[str, Any]) -> dict[str, str]:
    """Return the command of each step that answers the records of the run's span of time."""
    # A file for each run, however often it runs: with the minute.
    published = f"batch/{name}/{END}.csv"
    return {
        "validate": f"{PYTHON} test_model.py {name}",
        # Airflow takes 99 for a reason to skip what follows: no records, nothing to predict.
        "collect": f"{collect(name, source, since=SINCE, until=UNTIL)} && "
        f"(test $(wc -l < {FOLDER}/collected.csv) -gt 1 || exit 99) && "
        f"{PYTHON} -m jobs.check {name} --data {FOLDER}/collected.csv --without-target "
        f"--accepted {FOLDER}/accepted.csv --rejected {FOLDER}/rejected.csv",
        "predict": f"{PYTHON} -m jobs.score {name} {FOLDER}/accepted.csv {FOLDER}/scored.csv",
        # Whoever reads the published file never finds a part of it.
        "publish": f"mkdir -p batch/{name} && cp {FOLDER}/scored.csv {published}.new && "
        f"mv {published}.new {published}",
    }


def collect(name: str, source: dict[str, Any], **span: str) -> str:
    """Return the command that ingests a span of time, where the source has one, and selects it."""
    options, sql = "", f'select * from "{name}"'  # noqa: S608  the name of a file, as order
    if "time" in source:
        column = '"{}"::timestamp'.format(source["time"].replace('"', '""'))
        limits = {"since": ">=", "until": "<"}
        options = "".join(f" --{word} {time}" for word, time in span.items())
        conditions = (f"{column} {limits[word]} $${time}$$" for word, time in span.items())
        sql += f" where {' and '.join(conditions)}"
    return (
        f"rm -rf {FOLDER} && mkdir -p {FOLDER} && {PYTHON} -m jobs.ingest {name}{options} && "
        f"{PYTHON} -m jobs.query {shlex.quote(sql)} --csv > {FOLDER}/collected.csv"
    )


def alert(context: Any) -> None:
    """Post a sentence about a failed task to ALERT_URL, as chat services take it."""
    if url := os.environ.get("ALERT_URL"):
        task = context["task_instance"]
        text = f"{task.dag_id} {context['run_id']}: {task.task_id} has failed"
        body = json.dumps({"text": text}).encode()
        urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10).close()  # noqa: S310


sources = tomllib.loads((PROJECT / "jobs/sources.toml").read_text(encoding="utf-8"))
# As the project has it: no other word may come into a command.
stems = {path.stem for path in PROJECT.glob("models/*.py")} - {"schema"}
for name in sorted(filter(re.compile(r"[a-z][a-z0-9_]{0,62}").fullmatch, stems)):
    for kind in (training, batch):
        dag_id = f"{kind.__name__}_{name}"
        cron = SCHEDULES.get(dag_id, SCHEDULES[kind.__name__])
        with DAG(
            dag_id,
            description=(kind.__doc__ or "").replace("Return the command of each step that ", ""),
            schedule=CronDataIntervalTimetable(cron, timezone="UTC"),
            start_date=datetime(2000, 1, 1, tzinfo=UTC),
            catchup=False,
            max_active_runs=1,
            tags=[name, kind.__name__],
            default_args={
                "cwd": str(PROJECT),
                "do_xcom_push": False,
                "retries": 2,
                "retry_exponential_backoff": True,
                "max_retry_delay": timedelta(hours=1),
                "on_failure_callback": alert,
            },
        ) as dag:
            chain(
                *(
                    BashOperator(
                        task_id=step, bash_command=command, doc_md=f"```sh\n{command}\n```"
                    )
                    for step, command in kind(name, sources.get(name, {})).items()
                )
            )
        globals()[dag_id] = dag
