"""A first API of one table: the lines that a person writes with each tool, each run for real.

    python -m benchmarks.first                 writes docs/reference/first-api.md
    python -m benchmarks.first --only mlflow   prints one row

The programs are in `benchmarks/first_api/`.
"""

import argparse
import ast
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks import environments
from benchmarks.contender import SKLEARN
from benchmarks.first_models import ROOT, copy_project
from benchmarks.page import table

PAGE = ROOT / "docs/reference/first-api.md"
_TEXT = Path(__file__).with_suffix(".md")
_PROGRAMS = Path(__file__).with_name("first_api")

#: Seconds until a server has to answer.
_SECONDS = 240

#: What is sent: a member, one whose fee is not known, and three that are wrong.
MEMBER = {"Plan": "Basic", "Tenure (months)": 1, "Visits": 0, "Fee": 40.5}
RECORDS = {
    "right": MEMBER,
    "a gap": {**MEMBER, "Fee": None},
    "unknown word": {**MEMBER, "Plan": "Gold"},
    "text for a number": {**MEMBER, "Visits": "often"},
    "no column Plan": {name: MEMBER[name] for name in MEMBER if name != "Plan"},
}

Write = Callable[[dict[str, Any]], Any]


class Tool(NamedTuple):
    """A tool: what it installs, the commands that a person types, and how it is asked.

    `{bin}` and `{port}` are filled in; the last command serves. The page is for people.
    """

    title: str
    requirements: tuple[str, ...]
    program: str
    commands: tuple[str, ...]
    path: str
    write: Write
    page: str = ""
    port: int = 0


def _short(record: dict[str, Any]) -> dict[str, Any]:
    names = {"Plan": "plan", "Tenure (months)": "tenure", "Visits": "visits", "Fee": "fee"}
    return {names[name]: value for name, value in record.items()}


_UVICORN = "{bin}/uvicorn %s:app --port {port} --log-level warning"
TOOLS = (
    Tool(
        "this template", (), "",
        ("{bin}/python build_model.py club --from data/club.csv --target Left",
         "{bin}/python app.py"),
        "/v0/models/club/predict", _short, "/models/club",
    ),
    Tool(
        "deeploi", ("deeploi==0.3.0", *SKLEARN), "with_deeploi.py",
        ("{bin}/python with_deeploi.py",),
        "/predict", lambda record: {"records": [record]}, "/", 8000,
    ),
    Tool(
        "vetiver", ("vetiver==0.2.6", *SKLEARN), "with_vetiver.py", (_UVICORN % "with_vetiver",),
        "/predict", lambda record: [record],
    ),
    Tool(
        "MLflow", ("mlflow==3.17.2", *SKLEARN), "with_mlflow.py",
        ("{bin}/python with_mlflow.py",
         "{bin}/mlflow models serve --model-uri model --env-manager local --port {port}"),
        "/invocations", lambda record: {"dataframe_records": [record]},
    ),
    Tool(
        "BentoML", ("bentoml==1.4.39", *SKLEARN), "with_bentoml.py",
        ("{bin}/bentoml serve with_bentoml:Club --port {port}",),
        "/predict", lambda record: {"table": [record]},
    ),
    Tool(
        "FastAPI by hand", ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", *SKLEARN),
        "with_fastapi.py", (_UVICORN % "with_fastapi",), "/predict", _short,
    ),
)  # fmt: skip


def lines_of(program: Path) -> int:
    """Count the lines of a program that are not blank, a comment or a docstring."""
    code = program.read_text()
    written = {
        row
        for row, text in enumerate(code.splitlines(), start=1)
        if text.strip() and not text.strip().startswith("#")
    }
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            written -= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return len(written)


def measure(tool: Tool, folder: Path) -> tuple[str, ...]:
    """Write the table, start the tool and ask it; return a row of the page."""
    if tool.program:
        environment = environments.make(f"first-{tool.title.split()[0].lower()}", tool.requirements)
        programs, folder = environment / "bin", folder / tool.title.split()[0]
        shutil.copytree(_PROGRAMS, folder)
        _write_table(folder / "club.csv")
        lines = lines_of(_PROGRAMS / "train.py") + lines_of(_PROGRAMS / tool.program)
    else:
        programs, folder, lines = Path(sys.executable).parent, copy_project(folder / "ours"), 0
        _write_table(folder / "data/club.csv")
    with _serving(tool, programs, folder) as port:
        _ask_until(port, tool)
        statuses = [str(_ask(port, tool, record)) for record in RECORDS.values()]
        has_form = bool(tool.page) and _ask(port, tool, None) == 200
    return tool.title, str(lines), str(len(tool.commands)), *statuses, "yes" if has_form else "no"


def _write_table(file: Path) -> None:
    """Write the table of the tutorial: members of a club, of whom some have left."""
    draw = np.random.default_rng(0)
    tenure, visits = draw.integers(1, 60, 1000), draw.poisson(4, 1000)
    plan = draw.choice(["Basic", "Plus", "Premium"], 1000)
    stays = 1 / (1 + np.exp(2 + 3 * (plan == "Basic") - 0.1 * tenure - visits))
    fee = np.where(draw.random(1000) < 0.05, "?", draw.normal(40, 8, 1000).round(2).astype(str))
    left = np.where(draw.random(1000) < stays, "No", "Yes")
    columns = {"Plan": plan, "Tenure (months)": tenure, "Visits": visits, "Fee": fee, "Left": left}
    pd.DataFrame(columns).to_csv(file, index=False)


@contextmanager
def _serving(tool: Tool, programs: Path, folder: Path) -> Iterator[int]:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", tool.port))
        port = trial.getsockname()[1]
    variables = {
        **os.environ,
        "DEFAULT_MODEL": "club",
        "PORT": str(port),
        "BENTOML_DO_NOT_TRACK": "1",
    }
    variables["PATH"] = f"{programs}:{variables['PATH']}"
    *before, last = (one.format(bin=programs, port=port).split() for one in tool.commands)
    with (folder / "log").open("wb") as log:
        for command in before:
            subprocess.run(command, cwd=folder, env=variables, stdout=log, stderr=log, check=True)  # noqa: S603
        server = subprocess.Popen(  # noqa: S603
            last, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield port
    except TimeoutError as error:
        raise RuntimeError((folder / "log").read_text(errors="replace")[-2000:]) from error
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _ask_until(port: int, tool: Tool) -> int:
    """Ask for the right member until the server answers; return the status."""
    end = time.monotonic() + _SECONDS
    while True:
        try:
            return _ask(port, tool, MEMBER)
        except OSError:
            if time.monotonic() > end:
                raise TimeoutError from None
            time.sleep(0.2)


def _ask(port: int, tool: Tool, record: dict[str, Any] | None) -> int:
    """Predict a record, or get the page for people; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if record is None:
        connection.request("GET", tool.page)
    else:
        kind = {"Content-Type": "application/json"}
        connection.request("POST", tool.path, json.dumps(tool.write(record)), kind)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def main(arguments: list[str] | None = None) -> int:
    """Run every tool; write the page, or print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the beginning of a tool's title")
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for tool in TOOLS:
            if tool.title.lower().startswith(options.only.lower()):
                rows.append(measure(tool, Path(folder)))
                print(" | ".join(rows[-1]), flush=True)
    heads = ("tool", "lines", "commands", *RECORDS, "form")
    if not options.only:
        own = lines_of(_PROGRAMS / "train.py")
        PAGE.write_text(_TEXT.read_text().format(table=table(heads, rows), train=own))
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
