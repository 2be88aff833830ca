"""One training run, from a table to everything that a version is made of."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor

from engine.cards.markdown import model_card
from engine.runtime.native import NativeRuntime
from engine.runtime.runtimes import Columns
from engine.runtime.version import decide
from engine.schema.card import (
    Card,
    Counts,
    Decision,
    Description,
    Importances,
    RuntimeEntry,
    ScoreEntry,
)
from engine.schema.definition import ModelDefinition
from engine.training.card import Origin, describe, plain
from engine.training.columns import summarise
from engine.training.evaluation.champion import challenge
from engine.training.evaluation.importances import impurity_importances, permutation_importances
from engine.training.evaluation.judged import HeldOutAnswers, judge
from engine.training.evaluation.metrics import SCORES, class_scores, score
from engine.training.evaluation.reference import reference
from engine.training.export.limits import remarks
from engine.training.export.runtime_choice import PipelineRejectsRecord, choose_runtime
from engine.training.failures import TrainingFailed, explained
from engine.training.fitting import fit
from engine.training.report import write_report
from engine.training.split import WAY, split_rows
from engine.training.table import InvalidTable, read_table
from persistence.model_persistence import ModelStore

#: So many lines at most say what the fields' policies accepted in the table.
REMARKS = 20

#: Opens a step of the run: ``with step("fit") as say: say("200 trees")``.
Step = Callable[[str], AbstractContextManager[Callable[[str], None]]]


@dataclass(frozen=True)
class Trained:
    """The card, except what the store adds, and the files: the model, report and model card."""

    card: Card
    files: dict[str, bytes]


def train(
    name: str, definition: ModelDefinition, data: Path, *, step: Step,
    store: ModelStore | None = None, promote: str = "always", origin: Origin | None = None,
) -> Trained:  # fmt: skip
    """Train one version, and compare it with the one that a store promotes.

    Parameters
    ----------
    data : Path
        The table that the definition's `load_data` reads.
    promote : {"always", "if-better", "never"}
        Whether to promote it; see `engine.training.evaluation.champion.challenge`.

    Raises
    ------
    engine.training.table.InvalidTable
        When the table does not fit the schema.
    engine.training.export.runtime_choice.PipelineRejectsRecord
        When the fitted pipeline rejects a record that the schema accepts.
    engine.runtime.trusted_types.UntrustedArtifact
        When the pipeline contains a type that is not trusted.
    """
    with step("read") as say:
        table, X, y = _read(name, definition, data, say)
    with step("split") as say:
        rows, held_out = _split(definition, X, y, say)
    with step("fit") as say:
        pipeline, chosen, _ = fit(name, definition, X.iloc[rows], y.iloc[rows])
        counts = Counts(
            rows=len(X), training_rows=len(rows), held_out_rows=len(held_out), split=WAY
        )
        description = describe(name, definition, pipeline, data=data, counts=counts, origin=origin)
        description["hyperparameters"] |= plain(chosen)
        _check_score(description)
        say(", ".join([description["estimator"], *(f"{key} {chosen[key]}" for key in chosen)]))
    unseen, truth = X.iloc[held_out], y.iloc[held_out]
    with step("score") as say:
        judged = _judge(definition, pipeline, unseen, truth, description)
        scores = score(judged, _baseline(X, y, rows, held_out, description), seed=definition.seed)
        say("\n".join(_score_line(name, entry) for name, entry in scores.items()))
    with step("importances") as say:
        importances = _importances(definition, pipeline, unseen, truth, description)
        say(_importance_line(importances))
    with step("export") as say:
        runtime, files, _ = choose_runtime(definition, pipeline, _columns(unseen), description)
        say("\n".join([_runtime_line(runtime), *remarks(runtime)]))
    with step("compare") as say:
        comparison = challenge(store, description, judged, table.iloc[held_out], promote=promote)
        say(comparison["reason"])
    with step("report"):
        card: Card = {  # the store adds the other keys
            **description, "scores": scores, "class_scores": class_scores(judged), **importances,
            **runtime,  # type: ignore[typeddict-item]
            "challenge": comparison, "reference": reference(X.iloc[rows], definition.fields),
        }  # fmt: skip
        report = write_report(card, judged, X.iloc[rows])
        files |= {"report.html": report, "model-card.md": model_card(card).encode()}
    return Trained(card, files)


def _judge(
    definition: ModelDefinition, pipeline: Any, X: pd.DataFrame, y: pd.Series, card: Decision
) -> HeldOutAnswers:
    """Answer rows with the pipeline, and collect the answers with the true values."""
    outputs = NativeRuntime(pipeline, definition.fields).run(_columns(X))
    return judge(y.to_numpy(), decide(outputs, card), card)


def _columns(X: pd.DataFrame) -> Columns:
    columns: Columns = X.to_dict("list")
    return columns


def _read(
    name: str, definition: ModelDefinition, data: Path, say: Callable[[str], None]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    try:
        with explained("load_data", name, passing=(ValueError, OSError)):
            table = definition.load_data(data)
    except ValueError as error:  # pandas raises it for a file that is not a table
        raise InvalidTable([f"{data} cannot be read as a table: {error}"]) from error
    if not isinstance(table, pd.DataFrame):
        kind = type(table).__name__
        raise TrainingFailed(f"models/{name}.py: load_data returns {kind}: return a DataFrame")
    table = table.reset_index(drop=True)
    X, y, remarks = read_table(table, definition.schema)
    lines = [f"accepted: {remark}" for remark in remarks[:REMARKS]]
    if len(remarks) > REMARKS:
        lines.append(f"accepted: {len(remarks) - REMARKS} more kinds of values")
    lines += summarise(X, definition.fields)
    say("\n".join([*lines, f"{len(X)} rows of {data.name} fit the schema"]))
    return table, X, y


def _split(
    definition: ModelDefinition, X: pd.DataFrame, y: pd.Series, say: Callable[[str], None]
) -> tuple[np.ndarray, np.ndarray]:
    has_classes = definition.schema.task == "classification"
    rows, held_out = split_rows(X, y, seed=definition.seed, is_classification=has_classes)
    say(f"{len(rows)} rows to learn from, {len(held_out)} held out")
    return rows, held_out


def _check_score(card: Description) -> None:
    if SCORES[card["score"]].needs_probabilities and not card["has_probabilities"]:
        raise PipelineRejectsRecord(
            f"score {card['score']!r} needs probabilities, and {card['estimator']} has none: "
            "choose 'accuracy', or wrap it in CalibratedClassifierCV"
        )


def _baseline(
    X: pd.DataFrame, y: pd.Series, rows: np.ndarray, held_out: np.ndarray, card: Description
) -> HeldOutAnswers:
    """Collect the answers of a model that ignores its input: class shares, or the mean."""
    is_regression = card["classes"] is None
    dummy = DummyRegressor() if is_regression else DummyClassifier(strategy="prior")
    dummy.fit(X.iloc[rows], y.iloc[rows])
    unseen = X.iloc[held_out]
    probabilities = dummy.predict_proba(unseen) if card["has_probabilities"] else None
    truth, predicted = y.iloc[held_out].to_numpy(), dummy.predict(unseen)
    return HeldOutAnswers(truth, predicted, probabilities, card["classes"], card["positive"])


def _importances(
    definition: ModelDefinition, pipeline: Any, X: pd.DataFrame, y: pd.Series, card: Decision
) -> Importances:
    score = SCORES[definition.score]

    def scorer(pipeline: Any, X: pd.DataFrame, y: pd.Series) -> float:
        value = score.compute(_judge(definition, pipeline, X, y, card))
        return value if score.is_better_higher else -value

    weights = permutation_importances(pipeline, X, y, scorer=scorer, seed=definition.seed)
    return {
        "impurity_importances": impurity_importances(pipeline),
        "permutation_importances": weights,
    }


def _importance_line(importances: Importances) -> str:
    weights = importances["permutation_importances"]
    return "most important: " + ", ".join(sorted(weights, key=lambda n: -weights[n]["mean"])[:3])


def _score_line(name: str, entry: ScoreEntry) -> str:
    return (
        f"{name} {entry['value']:.4f} (95 % interval {entry['low']:.4f} to {entry['high']:.4f}), "
        f"baseline {entry['baseline']:.4f}"
    )


def _runtime_line(entry: RuntimeEntry) -> str:
    seconds, parity = entry["seconds"]["one_row"], entry["parity"]
    if entry["runtime"] == "native" or parity is None:
        return f"served by scikit-learn, {seconds * 1e3:.2f} ms a record: {entry['runtime_reason']}"
    what = "no label differs, and no probability or margin"
    if spread := entry.get("spread"):
        what = f"no number differs from the pipeline's, as a share of {spread:.3g},"
    return (
        f"served by onnxruntime, {seconds * 1e3:.3f} ms a record: of {parity['rows']:,} answers "
        f"{what} by more than {parity['difference']:.1g}"
    )
