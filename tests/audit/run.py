"""One case of the audit: train, serve, ask in every way, compare."""

import http.client
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from engine.schema.definition import ModelDefinition
from engine.training.failures import TrainingFailed
from engine.training.train import train
from persistence.model_persistence import ModelStore
from tests.audit.oracle import SEED, THRESHOLD, Oracle
from tests.audit.pipelines import Case
from tests.audit.ways import MODEL, WAYS, ask, can_carry
from tests.support.models import in_silence
from tests.support.serving import running

#: So many records are sent one at a time; a list of 1,000 is the most of one request.
_SINGLES = 60


class Result(NamedTuple):
    """What became of a case.

    `refused` has the sentence with which the build ended; `wrong` a line for
    each wrong answer, and `answers` how many were compared. `largest` is the
    largest difference of a number, as a share of the spread, or a probability.
    """

    name: str
    task: str
    table: str
    runtime: str = ""
    answers: int = 0
    wrong: tuple[str, ...] = ()
    largest: float = 0.0
    refused: str = ""


def audit(case: Case) -> Result:
    """Run a case in a folder of its own."""
    what = case.name, case.task, case.table.name
    with tempfile.TemporaryDirectory(prefix="audit-") as name:
        folder = Path(name)
        store = ModelStore(folder / "store")
        try:
            card = _build(case, store, folder)
        except (ValueError, TrainingFailed) as error:
            return Result(*what, refused=" ".join(str(error).split()))
        oracle = Oracle(case)
        settings: dict[str, Any] = {
            "model_store": store.root, "default_model": MODEL, "web_concurrency": 1,
            "open_access": "true",
        }  # fmt: skip
        with running(folder, **settings) as server:
            found = _ask_all(server.connect(), oracle, runtime=card["runtime"])
    return Result(*what, card["runtime"], *found)


def _build(case: Case, store: ModelStore, folder: Path) -> Any:
    target, values = case.table.target(case.task)
    path = folder / "table.csv"
    case.table.frame.assign(**{target.name: values}).to_csv(path, index=False)
    definition = ModelDefinition(
        title=case.name,
        fields=case.table.fields,
        target=target,
        sample=path,
        load_data=lambda path: pd.read_csv(path, float_precision="round_trip"),
        build_pipeline=case.build,
        score="mae" if case.task == "regression" else "accuracy",
        threshold=THRESHOLD,
        seed=SEED,
    )
    trained = train(MODEL, definition, path, step=in_silence)
    store.promote(MODEL, store.write(trained.card, trained.files))
    return trained.card


def _ask_all(
    connection: http.client.HTTPConnection, oracle: Oracle, *, runtime: str
) -> tuple[int, tuple[str, ...], float]:
    """Return how many answers were compared, what was wrong, and the largest difference."""

    def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise ValueError(f"{response.status} {content[:300].decode(errors='replace')}")
        return content

    pairs = list(zip(oracle.records, oracle.expected(runtime), strict=True))
    wrong: list[str] = []
    largest = 0.0
    compared: Counter[str] = Counter()
    for way in WAYS:
        sent = [pair for pair in pairs if can_carry(way, pair[0])]
        sent = sent[:: max(1, len(sent) // _SINGLES)] if way == "one record" else sent
        try:
            answers = ask(way, post, [record for record, _ in sent], oracle.classes)
        except ValueError as error:
            wrong.append(f"{way}: {error}")
            continue
        compared[way] += len(answers)
        if len(answers) != len(sent):
            wrong.append(f"{way}: {len(answers)} answers for {len(sent)} records")
        for answer, (record, expected) in zip(answers, sent, strict=False):
            largest = max(largest, oracle.difference(answer, expected))
            if text := oracle.wrong(answer, expected):
                wrong.append(f"{way}: {text} of {record}")
    connection.close()
    return compared.total(), tuple(wrong), largest
