"""Synthetic models to measure growth with: made from a seed, trained as any other."""

import hashlib
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.environments import BENCH, ROOT
from engine.runtime.loading import RUN_FILES
from engine.schema import Category, Flag, ModelDefinition, Number
from engine.schema.fields import Field
from persistence.model_persistence import ModelStore

STORE = BENCH / "growth"

_ROWS, _HELD_OUT = 2_000, 5
_SOURCES = ("models", "engine", "persistence", "benchmarks/growth_models.py")


@dataclass(frozen=True)
class Shape:
    """How large a model is.

    Attributes
    ----------
    trees : int
        Of a random forest, ten levels deep.
    numbers : int
        Fields that hold a number.
    words : int
        Categories of one more field; without it when 0.
    encoder : {"one-hot", "ordinal"}
        What the pipeline makes of them.
    """

    trees: int = 100
    numbers: int = 10
    words: int = 0
    encoder: str = "one-hot"

    @property
    def name(self) -> str:
        """What the model is called in the store."""
        encoder = f"_{self.encoder.replace('-', '')}" if self.words else ""
        return f"t{self.trees}_n{self.numbers}_w{self.words}{encoder}"

    def fields(self) -> tuple[Field, ...]:
        """Give the fields that a record has."""
        numbers = [
            Number(name=f"x{place}", example=12.5, minimum=0, maximum=100)
            for place in range(self.numbers)
        ]
        words = self.vocabulary()
        kinds = [Category(name="word", example=words[0], categories=words)] if words else []
        return (*numbers, *kinds)

    def vocabulary(self) -> tuple[str, ...]:
        """Give the categories."""
        return tuple(f"word {place}" for place in range(self.words))

    def records(self, count: int, *, seed: int = 1) -> list[dict[str, Any]]:
        """Make valid records."""
        draw = np.random.default_rng(seed)
        columns = {f"x{at}": draw.uniform(0, 100, count).round(2) for at in range(self.numbers)}
        table = pd.DataFrame(columns)
        if self.words:
            table["word"] = draw.choice(np.array(self.vocabulary(), dtype=object), count)
        found: list[dict[str, Any]] = table.to_dict("records")
        return found


def prepare(shapes: list[Shape]) -> ModelStore:
    """Train the models that are not there yet, unless the code has changed since."""
    store, marker = ModelStore(STORE), STORE / "made-for"
    wanted = _fingerprint()
    if not marker.is_file() or marker.read_text() != wanted:
        shutil.rmtree(STORE, ignore_errors=True)
        STORE.mkdir(parents=True)
        marker.write_text(wanted)
    for shape in shapes:
        if shape.name not in store.names():
            print(f"training {shape.name}", flush=True)
            store.promote(shape.name, store.write(*train(shape, shape.name)))
    return store


def copies(store: ModelStore, name: str, count: int) -> list[str]:
    """Store a version again under other names, until there are so many of it."""
    names = [f"copy_{number}_of_{name}" for number in range(count)]
    card, kept = store.read_card(name), {*RUN_FILES.values()}
    folder = store.root / name / card["version"]
    files = {one: (folder / one).read_bytes() for one in kept & set(card["files"])}
    added = ("format", "files", "digest", "version")
    body = {key: value for key, value in card.items() if key not in added}
    for one in set(names) - set(store.names()):
        store.promote(one, store.write(body | {"model": one}, files))
    return names


def train(shape: Shape, name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Fit, export and verify a model as `engine.training.train` does, without its scores.

    Returns
    -------
    card : dict
    files : dict of str to bytes
    """
    from engine.training.card import describe
    from engine.training.export.runtime_choice import choose_runtime

    records = pd.DataFrame(shape.records(_ROWS + _HELD_OUT))
    total = records[[f"x{place}" for place in range(shape.numbers)]].sum(axis=1)
    noise = np.random.default_rng(0).normal(0, total.std(), len(total))
    truth = (total + noise > total.mean()).rename("is_large")
    definition = ModelDefinition(
        title=name, fields=shape.fields(), target=Flag(name="is_large", example=True),
        load_data=lambda path: records, build_pipeline=lambda: pipeline_of(shape),
        sample=Path(__file__), score="accuracy",
    )  # fmt: skip
    pipeline = pipeline_of(shape).fit(records[:_ROWS], truth[:_ROWS])
    card: Any = describe(name, definition, pipeline, data=definition.sample)
    columns = {str(one): records[one][_ROWS:].tolist() for one in records.columns}
    found, files, _ = choose_runtime(definition, pipeline, columns, card)
    return card | found, files


def pipeline_of(shape: Shape) -> Any:
    """Give the unfitted pipeline."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    forest = RandomForestClassifier(n_estimators=shape.trees, max_depth=10, random_state=0)
    words: Any = [np.array(shape.vocabulary(), dtype=object)]
    encoder = {"one-hot": OneHotEncoder, "ordinal": OrdinalEncoder}[shape.encoder]
    steps = [("words", encoder(categories=words), ["word"])] if shape.words else []
    return Pipeline(
        [("prepare", ColumnTransformer(steps, remainder="passthrough")), ("forest", forest)]
    )


@cache
def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in _SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()
