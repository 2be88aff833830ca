"""What every contender is asked, and what is right: one model, one record, the same rows.

The model is the sample model, trained once into a store of the benchmark's
own. Contenders get it in the form they serve: the fitted pipeline as joblib
writes it, or a plain ONNX export with one named input per column.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.environments import BENCH, ROOT

if TYPE_CHECKING:  # the floor asks in an environment that has onnxruntime and nothing of ours
    from engine.schema.fields import Field
    from engine.schema.record_schema import Schema

MODEL = "credit"
STORE = BENCH / "store"

#: Where the contenders find the model: pipeline.joblib and model.onnx.
FILES = BENCH / "model"

ROWS = 1_000

#: Single precision in front of the trees may cost this much.
TOLERANCE = 1e-5

_SOURCES = ("models", "engine", "persistence")


@dataclass(frozen=True)
class Questions:
    """Records with the fitted pipeline's probabilities of the positive class.

    Attributes
    ----------
    record, probability : dict, float
        The card's worked example.
    records, probabilities : list
        The first `ROWS` rows of the sample table that have no gaps.
    """

    record: dict[str, Any]
    probability: float
    records: list[dict[str, Any]]
    probabilities: list[float]


def is_right(found: list[float], expected: list[float]) -> bool:
    """Tell whether every probability is there and close enough."""
    return len(found) == len(expected) and all(
        abs(one - other) <= TOLERANCE for one, other in zip(found, expected, strict=True)
    )


def read() -> Questions:
    """Read the questions that `prepare` wrote."""
    return Questions(**json.loads((FILES / "questions.json").read_text()))


def prepare(trained: Path | None = None) -> Questions:
    """Train, export and ask the pipeline, unless that is done for this very code.

    A store with the model, trained as the command does, saves the training.
    """
    FILES.mkdir(parents=True, exist_ok=True)
    marker = FILES / "made-for"
    wanted = _fingerprint()
    with (BENCH / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another measurement may need the same
        if not marker.is_file() or marker.read_text() != wanted:
            print("training the model and exporting it for the contenders", flush=True)
            if trained is None:
                _train(STORE, MODEL)
            else:
                shutil.rmtree(STORE, ignore_errors=True)
                shutil.copytree(trained, STORE)
            _write_files()
            marker.write_text(wanted)
    return read()


def _train(store: Path, *words: str) -> None:
    shutil.rmtree(store, ignore_errors=True)
    variables = os.environ | {"MODEL_STORE": str(store)}
    command = [sys.executable, "build_model.py", *words]
    subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, check=True
    )


def _write_files() -> None:
    import joblib

    from engine.training.export.export import translate
    from engine.training.export.inputs import input_name
    from engine.training.export.single_trees import with_double_trees
    from models import find

    card, pipeline = _open(STORE, MODEL)
    definition = find(MODEL)
    fields = definition.schema.fields
    joblib.dump(pipeline, FILES / "pipeline.joblib")
    plain = with_double_trees(translate(pipeline, fields))
    names = {input_name(place): field.name for place, field in enumerate(fields)}
    for part in (*plain.graph.input, *plain.graph.node):
        if hasattr(part, "input"):
            part.input[:] = [names.get(name, name) for name in part.input]
        else:
            part.name = names[part.name]
    (FILES / "model.onnx").write_bytes(plain.SerializeToString())
    whole = definition.load_data(definition.sample).dropna()
    questions = _ask(card, pipeline, whole.head(ROWS), definition.schema)
    (FILES / "questions.json").write_text(json.dumps(asdict(questions)))


def prepare_model(name: str, data: Path) -> tuple[Path, Questions]:
    """Train a model on a table; return its store, and rows drawn from that table as questions."""
    from models import find

    store, definition = BENCH / f"store-{name}", find(name)
    _train(store, name, "--data", str(data))
    drawn = definition.load_data(data).dropna().sample(ROWS, random_state=0)
    return store, _ask(*_open(store, name), drawn, definition.schema)


def _open(place: Path, name: str) -> tuple[Any, Any]:
    """Return the card of the promoted version and its fitted pipeline."""
    from engine.runtime.loading import as_card, open_pipeline
    from persistence.model_persistence import ModelStore

    store = ModelStore(place)
    card = store.read_card(name)
    return card, open_pipeline(store.files(card), as_card(card))


def _ask(card: Any, pipeline: Any, table: Any, schema: "Schema") -> Questions:
    from engine.training.table import read_table

    rows, _, _ = read_table(table, schema)
    records = [
        {field.name: _plain(value, field) for field, value in zip(schema.fields, row, strict=True)}
        for row in rows.itertuples(index=False)
    ]
    positive = list(pipeline.classes_).index(card["positive"])
    return Questions(
        record=card["example"]["record"],
        probability=float(card["example"]["probabilities"][positive]),
        records=records,
        probabilities=pipeline.predict_proba(rows)[:, positive].tolist(),
    )


def _plain(value: Any, field: "Field") -> Any:
    if field.is_text or field.array_values:
        return field.from_array(value)
    if field.datatype == "BYTES":  # a date, of which the pipeline sees seconds
        return field.label(value)
    return int(value) if float(value).is_integer() else value


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    paths = [path for room in _SOURCES for path in sorted((ROOT / room).rglob("*.py"))]
    for path in [*paths, ROOT / "Pipfile.lock", ROOT / "build_model.py"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
