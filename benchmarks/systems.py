"""The five models, each on its real data: trained, served, asked, scored in batch, trained again.

    python -m benchmarks.systems                       print tables; exit 1 where a step fails
    python -m benchmarks.systems --samples --only milk  on the sample, one model of them
    python -m benchmarks.systems --write               and put them into the documentation

Every step is a command that a person can run. What they write goes into a temporary folder. A
model whose real data are absent takes its sample.
"""

import argparse
import csv
import http.client
import json
import os
import re
import secrets
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pandas as pd

import models
from benchmarks.environments import ROOT
from benchmarks.stress_page import machine, table, write_figures
from benchmarks.stress_server import serving
from persistence.model_persistence import ModelStore
from tests.support.beer_api import beer_api, sample_beers

PAGE = ROOT / "docs/reference/five-systems.md"

#: A table is repeated until a batch has so many rows.
BATCH_ROWS = 100_000


class System(NamedTuple):
    """A model, where its real data are, and what its original is known for.

    Attributes
    ----------
    original : dict of str to str
        What the original reports, by the name of our score that stands beside it.
    path, body : str, Any
        The original's own request.
    answer : Any
        What the original answers; ours has this form, and perhaps more keys.
    """

    name: str
    data: str
    original: Mapping[str, str]
    path: str
    body: Any
    answer: Any


SYSTEMS = (
    System(
        "credit", "credit/credit_data.csv", {"roc_auc": "never measured"}, "/v0/predict",
        {"expenses": 73, "income": 129, "assets": 0, "debt": 0, "amount": 800, "price": 846,
         "seniority": 9, "home": "rent", "time": 60, "age": 30, "marital": "married",
         "records": False, "job": "freelance", "approved": True},
        {"prediction": {"value": True, "probability": 0.83}, "prediction_time": ""},
    ),
    System(
        "beers", "beers/beers_325.json", {"rmse": "33.5 ± 8.5, five folds of 226 beers"},
        "/inference/beers",
        [{"name": "ale", "abv": 9.0, "target_fg": 1025.0, "target_og": 1094.0, "ebc": 400.0,
          "srm": 200.0, "ph": 4.3}],
        {"predictions": [{"value": 107.6}]},
    ),
    System(
        "delay", "flights-scl/flights_scl_2017.csv.gz",
        {"precision": "0.61, months mixed", "recall": "0.03, months mixed"}, "/inference/delay",
        {"DIA-I": 3, "MES-I": 2, "HORA-I": 9, "OPERA": "Grupo LATAM", "TIPOVUELO": "N",
         "SIGLADES": "LaSerena", "DIANOM": "Viernes"},
        {"prediction": [0.859, 0.141]},
    ),
    System(
        "tracks", "tracks", {"roc_auc": "never measured"}, "/get_prediction",
        {"data": {"popularity": [68], "danceability": [0.826], "energy": [0.704], "key": [9.0],
                  "loudness": [-7.527], "mode": [1.0], "speechiness": [0.117],
                  "acousticness": [0.189], "instrumentalness": [4.8e-05], "liveness": [0.0617],
                  "valence": [0.741], "tempo": [94.013], "duration": [205000], "id_new": [0]}},
        {"prediction": 1},
    ),
    System(
        "milk", "milk-price", {"mae": "RMSE 12.6 this month, months mixed"}, "/get_prediction",
        {"data": {"month": [11], "price": [287.29], "price_1": [280.0], "price_2": [275.0],
                  "price_3": [270.0], "price_9": [250.0], "dollar": [762.88], "activity": [103.2],
                  "oil": [41.1], "rain": [73.8]}},
        {"prediction": 230.67},
    ),
)  # fmt: skip


class Done(NamedTuple):
    """What became of a model's steps.

    Attributes
    ----------
    card : dict
        Of the version that was trained first.
    status, answer : int, str
        To the original's request.
    rate : str
        Rows per second of a batch.
    again : str
        Which version is promoted after a second training, and why.
    """

    system: System
    card: dict[str, Any]
    status: int
    answer: str
    rate: str
    again: str
    dag: str


class StepFailed(Exception):
    """A step did not do what it is for; the message says which one, and what it printed."""


def main(arguments: list[str] | None = None) -> int:
    """Run the steps of every model; return the exit code."""
    options = _parser().parse_args(arguments)
    named = options.only.split(",") if options.only else [each.name for each in SYSTEMS]
    chosen = [each for each in SYSTEMS if each.name in named]
    if len(chosen) < len(named):
        _parser().error(f"--only is {options.only!r}: give {','.join(one.name for one in SYSTEMS)}")
    done = []
    try:
        for system in chosen:
            real = options.data / system.data
            is_real = real.exists() and not options.samples
            data = real if is_real else ROOT / models.find(system.name).sample
            with TemporaryDirectory() as folder:
                done.append(run(system, data, Path(folder), options.rows))
            print(f"{system.name}: done with {data.name}", file=sys.stderr, flush=True)
    except StepFailed as error:
        print(f"systems: {error}", file=sys.stderr)
        return 1
    text = f"{machine()}\n\n{report(done)}"
    print(text)
    if options.write:
        write_figures(PAGE, "systems", text)
    return 0


def run(system: System, data: Path, folder: Path, rows: int) -> Done:
    """Train, serve, ask, score and train again, all in a folder."""
    place = folder / "store"
    environment = {"MODEL_STORE": str(place), "LAKE": str(folder / "lake")}
    train = ["build_model.py", system.name, "--data", str(data)]
    _command(train, environment)
    store = ModelStore(place)
    card = store.read_card(system.name)
    status, answer = ask(system, place)
    rate = score(system.name, data, folder, environment, rows)
    _command([*train, "--promote", "if-better"], environment)
    challenger = store.read_card(system.name, store.versions(system.name)[-1])["challenge"]
    again = f"{'promoted' if challenger['promote'] else 'the champion stays'}: "
    again += challenger["reason"]
    dag = dag_state(system.name, environment, folder)
    return Done(system, card, status, answer, rate, again, dag)


def ask(system: System, store: Path) -> tuple[int, str]:
    """Send the original's request to a service that asks for a key; return status and answer."""
    key = secrets.token_urlsafe(32)
    with serving(store, system.name, open_access=False, api_key=key) as server:
        shut, _ = _send(server.port, "POST", system.path, system.body, "")
        greeted, _ = _send(server.port, "GET", "/check_service", None, key)
        status, answer = _send(server.port, "POST", system.path, system.body, key)
    try:
        found = take(answer, system.answer)
        is_right = (shut, greeted, status) == (401, 200, 200)
    except (KeyError, ValueError):
        is_right = False
    if not is_right:
        said = f"{shut} without a key, {greeted} to /check_service, then {status} with {answer}"
        raise StepFailed(f"{system.name} does not answer {system.path} as its original: {said}")
    return status, json.dumps(next(iter(found.values())))


def take(answer: Any, like: Any) -> Any:
    """Return what an answer has of another one, rounded; raise KeyError or ValueError if less."""
    if type(answer) is not type(like):
        raise ValueError(f"{answer!r} is not like {like!r}")
    if isinstance(like, dict):
        return {key: take(answer[key], like[key]) for key in like}
    if isinstance(like, list):
        return [take(*pair) for pair in zip(answer, like, strict=True)]
    return round(answer, 4) if isinstance(answer, float) else answer


def score(name: str, data: Path, folder: Path, environment: dict[str, str], rows: int) -> str:
    """Score a table in batch, as many times as gives so many rows; return the rows per second."""
    definition = models.find(name)
    loaded = definition.load_data(data)
    columns = [each for field in definition.fields for each in (field.column, field.name)]
    whole = loaded[[column for column in dict.fromkeys(columns) if column in loaded]]
    whole = pd.concat([whole] * -(-rows // len(whole))).dropna(how="all")
    whole.to_csv(folder / "in.csv", index=False)
    files = [str(folder / each) for each in ("in.csv", "out.csv")]
    printed = _command(["-m", "jobs.score", name, *files], environment)
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        answered = sum(1 for _ in csv.reader(file)) - 1
    aside = sum(len(each.read_bytes().splitlines()) for each in folder.glob("*.rejected.jsonl"))
    rate = re.search(r"\(([\d,]+) rows/s\)", printed)
    if answered + aside != len(whole) or not rate:
        lost = f"{len(whole)} rows in, {answered} answered and {aside} rejected"
        raise StepFailed(f"{name} in batch: {lost}: {printed}")
    return rate[1]


def dag_state(name: str, environment: dict[str, str], folder: Path) -> str:
    """Return how the DAG that trains a model ends, if ``deploy/airflow/run`` was run once."""
    if not (ROOT / ".setup/airflow").exists():
        return "not installed"
    source = tomllib.loads((ROOT / "jobs/sources.toml").read_text())[name]
    port = urlsplit(source.get("address", "")).port
    home, run = {"AIRFLOW_HOME": str(folder / "airflow")}, str(ROOT / "deploy/airflow/run")
    with beer_api(sample_beers(), port=port) if port else nullcontext():
        _command(["dags", "test", f"training_{name}"], environment | home, run)
    return "success"


def report(done: list[Done]) -> str:
    """Write what became of the models as two Markdown tables, and what needs a sentence."""
    scores, steps, notes = [], [], []
    for each in done:
        card, name = each.card, each.system.name
        aside = card["data"].get("set_aside") or {"rows": 0, "reasons": {}}
        for score_name in dict.fromkeys([card["score"], *each.system.original]):
            entry = card["scores"][score_name]
            parts = ("value", "low", "high", "baseline")
            value, low, high, baseline = (f"{entry[part]:.3g}" for part in parts)
            rows = f"{card['data']['rows'] + aside['rows']:,}"
            told = each.system.original.get(score_name, "never measured")
            scores.append((name, rows, str(aside["rows"]), score_name, value, f"{low} to {high}",
                           baseline, told))  # fmt: skip
        if aside["rows"]:
            reasons = [f"{count} {why}" for why, count in aside["reasons"].items()]
            more = [f"and {len(reasons) - 4} more reasons"] if len(reasons) > 4 else []
            notes.append(f"{name}, rejected: {', '.join([*reasons[:4], *more])}")
        steps.append((name, f"`{each.system.path}`", str(each.status), f"`{each.answer}`",
                      each.rate, each.again.partition(":")[0], each.dag))  # fmt: skip
        notes.append(f"{name}, trained again: {each.again}")
    head = ("system", "rows", "rejected", "score", "value", "95 %", "baseline", "the original's")
    texts = [table(head, scores), "", table(
        ("system", "its own request", "status", "prediction", "batch rows/s", "trained again",
         "DAG"), steps
    ), ""]  # fmt: skip
    texts += [textwrap.fill(f"- {each}", 118, subsequent_indent="  ") for each in notes]
    return "\n".join(texts)


def _send(port: int, method: str, path: str, body: Any, key: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"} | ({"x-api-key": key} if key else {})
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    with closing(connection):
        return answer.status, json.loads(answer.read())


def _command(words: list[str], environment: dict[str, str], program: str = sys.executable) -> str:
    """Run a command in the project's folder; return what it printed."""
    done = subprocess.run(  # noqa: S603
        [program, *words], cwd=ROOT, env=os.environ | environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise StepFailed(f"{' '.join(words)} ends with {done.returncode}: {done.stderr.strip()}")
    return done.stdout + done.stderr


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run every step of the five models.")
    parser.add_argument("--samples", action="store_true", help="on the samples")
    parser.add_argument("--only", metavar="MODELS", help="such as beers,milk")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data",
                        help="the folder of the real data")  # fmt: skip
    parser.add_argument("--rows", type=int, default=BATCH_ROWS, help="of a batch, at least")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
