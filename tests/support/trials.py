"""A trial of an estimator: fitted, exported, judged; also writes their table.

Write the table anew with::

    python -m tests.support.trials > docs/reference/estimators.md
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from engine.runtime.native import NativeRuntime
from engine.runtime.trusted_types import load_pipeline
from engine.schema.definition import ModelDefinition
from engine.training.card import describe
from engine.training.export.export import Export, convert
from engine.training.export.runtime_choice import choose_runtime
from engine.training.table import read_table
from tests.support.estimators import CASES, FIELDS, TARGETS, Case, make_table

TRIALS = [(case, target) for case in CASES for target in case.targets]


@dataclass(frozen=True)
class Trial:
    """What became of one case: its card, its files, and the fitted pipeline."""

    card: Any
    files: dict[str, bytes]
    pipeline: Any
    X: pd.DataFrame


def define(case: Case, target: str) -> ModelDefinition:
    """Make the model definition of a case."""
    is_number = target == "number"
    return ModelDefinition(
        title=case.name,
        fields=FIELDS,
        target=TARGETS[target],
        sample=Path(__file__),
        load_data=lambda path: make_table(),
        build_pipeline=lambda: Pipeline(
            [("prepare", case.preparation()), ("model", case.estimator())]
        ),
        score="r2" if is_number else "accuracy",
    )


def convert_here(skops: bytes, fields: Any, *, model: str) -> Export:
    """Convert as `engine.training.export.export.export` does, but in this process."""
    try:
        return Export(convert(load_pipeline(skops, model=model), fields))
    except Exception:  # noqa: BLE001 - as in engine.training.export.export
        return Export(None)


def fit(estimator: Any, preparation: Any) -> tuple[ModelDefinition, Pipeline, pd.DataFrame]:
    """Fit an estimator to tell sold from unsold."""
    definition = define(Case("Trial", lambda: estimator, ("bool",), lambda: preparation), "bool")
    X, y, _ = read_table(make_table(), definition.schema)
    return definition, definition.build_pipeline().fit(X, y), X


def run_trial(case: Case, target: str) -> Trial:
    """Fit a case on the invented rows and choose its runtime."""
    definition = define(case, target)
    X, y, _ = read_table(make_table(), definition.schema)
    pipeline = definition.build_pipeline().fit(X, y)
    card: Any = describe("toy", definition, pipeline, data=Path(__file__))
    columns = {str(name): X[name].tolist() for name in X.columns}
    found, files, _ = choose_runtime(definition, pipeline, columns, card, export=convert_here)
    filled: dict[str, Any] = {"scores": {}, "class_scores": [], "impurity_importances": {}}
    card |= found | filled | {"permutation_importances": {}, "reference": {}}
    return Trial(card, files, pipeline, X)


def native_outputs(trial: Trial) -> Any:
    """Answer the invented rows with the fitted pipeline itself."""
    columns = {str(name): trial.X[name].tolist() for name in trial.X.columns}
    return NativeRuntime(trial.pipeline, FIELDS).run(columns)


_HEAD = """# Estimators and their runtimes

Every estimator here is fitted on 200 invented rows with gaps and an unknown word, translated or
exported, compared with the fitted pipeline on those rows and on the
[challenge rows](../explanation/parity.md), stored, read back and asked again. The tests do it at
every run and fail when this table is not what they find. Write it anew with
`python -m tests.support.trials > docs/reference/estimators.md`.

`exact` evaluates the fitted arrays themselves, by a library that set-up compiles; `onnx` is
served by onnxruntime; both without scikit-learn. `native` is served by the fitted pipeline. So
are an exported model that is slower than its pipeline, and neighbours: of two that are equally
near, an export takes another.

| estimator | target | runtime | largest difference |
|---|---|---|---|
"""


def table_row(case: Case, target: str, card: dict[str, Any]) -> str:
    """Write a trial's line of the table."""
    if case.is_close:
        return f"| {case.name} | {target} | by speed | - |"
    parity = card["parity"] or {}
    if card["runtime"] == "native":
        return f"| {case.name} | {target} | native | - |"
    difference = parity["difference"]
    size = "0" if not difference else "< 1e-9" if difference < 1e-9 else "< 1e-5"
    return f"| {case.name} | {target} | {card['runtime']} | {size} |"


if __name__ == "__main__":
    print(_HEAD, end="")
    for one, kind in TRIALS:
        print(table_row(one, kind, run_trial(one, kind).card), flush=True)
