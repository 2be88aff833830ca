"""One training run, from a table to everything that a version is made of."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor

from engine.cards.markdown import model_card
from engine.runtime.runtimes import Columns, Runtime
from engine.runtime.version import decide
from engine.schema.card import (
    Card,
    Counts,
    Decision,
    Description,
    ParityEntry,
    RuntimeEntry,
    ScoreEntry,
)
from engine.schema.definition import ModelDefinition
from engine.schema.messages import rounded
from engine.training.card import describe, plain
from engine.training.columns import summarise
from engine.training.evaluation.champion import challenge
from engine.training.evaluation.importances import impurity_importances, permutation_importances
from engine.training.evaluation.judged import HeldOutAnswers, judge
from engine.training.evaluation.metrics import SCORES, class_scores, not_computable, score
from engine.training.evaluation.reference import reference
from engine.training.evaluation.remarks import label_remarks, split_remarks
from engine.training.export.limits import limit_remarks
from engine.training.export.runtime_choice import (
    PipelineRejectsRecord,
    choose_runtime,
    decided_by,
)
from engine.training.failures import TrainingFailed, explained
from engine.training.fitting import fit
from engine.training.provenance import Origin
from engine.training.report import write_report
from engine.training.served_pipeline import ServedPipeline, Threshold
from engine.training.split import Split, split_rows
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
    with_importances: bool = True,
) -> Trained:  # fmt: skip
    """Train one version, and compare it with the one that a store promotes.

    Parameters
    ----------
    data : Path
        The table that the definition's `load_data` reads.
    promote : {"always", "if-better", "never"}
        Whether to promote it; see `engine.training.evaluation.champion.challenge`.
    with_importances : bool
        Whether to measure the permutation importances, which takes long with many fields.

    Raises
    ------
    engine.training.table.InvalidTable
        When the table does not fit the schema, or holds too little to be judged on.
    engine.training.export.runtime_choice.PipelineRejectsRecord
        When the fitted pipeline rejects a record that the schema accepts.
    engine.runtime.trusted_types.UntrustedArtifact
        When the pipeline contains a type that is not trusted.
    """
    with step("read") as say:
        table, X, y = _read(name, definition, data, say)
    with step("split") as say:
        split, remarks = _split(definition, X, y, say)
        rows, held_out = split.train, split.held_out
    unseen, truth = X.iloc[held_out], y.iloc[held_out]
    with step("fit") as say:
        kept, description = _fit(name, definition, X, y, split, data, origin, say)
    with step("export") as say:
        given = definition, kept.pipeline, _columns(unseen), description
        runtime, files, served = choose_runtime(*given)
        description = decided_by(runtime["runtime"], description)
        say(_runtime_text(runtime, description))
    with step("score") as say:
        judged = _judge(served, unseen, truth, description)
        scores = score(judged, _baseline(X, y, rows, held_out, description))
        remarks += label_remarks(judged, kept.fitted.predict(unseen), description)
        say("\n".join([*(_score_line(name, entry) for name, entry in scores.items()), *remarks]))
    with step("importances") as say:
        shuffled = with_importances and _importances(served, unseen, truth, description, say)
    with step("compare") as say:
        comparison = challenge(store, description, judged, table.iloc[held_out], promote=promote)
        say(comparison["reason"])
    with step("report"):
        card: Card = {  # the store adds the other keys
            **description, "remarks": remarks, "scores": scores,
            "class_scores": class_scores(judged),
            "impurity_importances": impurity_importances(kept.pipeline),
            "permutation_importances": shuffled or {},
            **runtime,  # type: ignore[typeddict-item]
            "challenge": comparison, "reference": reference(X.iloc[rows], definition.fields),
        }  # fmt: skip
        files["report.html"] = write_report(card, judged, X.iloc[rows])
        files["model-card.md"] = model_card(card).encode()
    return Trained(card, files)


def _judge(served: Runtime, X: pd.DataFrame, y: pd.Series, card: Decision) -> HeldOutAnswers:
    """Answer rows with the runtime that will serve, and collect the answers with the truth."""
    return judge(y.to_numpy(), decide(served.run(_columns(X)), card), card)


def _columns(X: pd.DataFrame) -> Columns:
    return {str(name): X[name].to_numpy() for name in X}


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
) -> tuple[Split, list[str]]:
    """Split the rows, and return what the held-out ones cannot tell."""
    classes = y.unique().tolist() if definition.schema.task == "classification" else None
    split = split_rows(X, y, seed=definition.seed, is_classification=classes is not None)
    rows, held_out = split.train, split.held_out
    if not len(held_out):
        whose = "all rows" if classes is None else "the rows of each class"
        cause = f"{whose} have equal fields" if len(y) > 1 else "there is only one"
        raise InvalidTable([f"no row can be held out, since {cause}"])
    truth = y.iloc[held_out].to_numpy()
    if reason := not_computable(truth, classes).get(definition.score):
        remedy = "give more rows that differ, or choose another score"
        raise InvalidTable([f"score {definition.score!r} cannot be computed: {reason}; {remedy}"])
    say(f"{len(rows)} rows to learn from, {len(held_out)} held out")
    return split, split_remarks(definition.target, y, X.iloc[held_out], truth)


def _fit(
    name: str, definition: ModelDefinition, X: pd.DataFrame, y: pd.Series, split: Split,
    data: Path, origin: Origin | None, say: Callable[[str], None],
) -> tuple[ServedPipeline, Description]:  # fmt: skip
    """Fit the pipeline on the training rows, and describe it."""
    rows = split.train
    kept = fit(name, definition, X.iloc[rows], y.iloc[rows])
    counts = Counts(
        rows=len(X), training_rows=len(rows), held_out_rows=len(split.held_out), split=split.way
    )
    card = describe(name, definition, kept.pipeline, data=data, counts=counts, origin=origin)
    card["hyperparameters"] |= plain(kept.chosen)
    card["threshold"] = _threshold(name, definition, kept.threshold, card)
    _check_probabilities(card)
    chosen = {**kept.chosen, **({"threshold": card["threshold"]} if kept.threshold else {})}
    say(", ".join([card["estimator"], *(f"{key} {chosen[key]}" for key in chosen)]))
    return kept, card


def _threshold(
    name: str, definition: ModelDefinition, tuned: Threshold | None, card: Decision
) -> float:
    """Return the threshold of the pipeline, if it has one, else that of the model file."""
    if tuned is None or card["positive"] is None:
        return definition.threshold
    value = tuned.value if tuned.positive == card["positive"] else 1 - tuned.value
    if definition.threshold not in (value, ModelDefinition.threshold):
        raise TrainingFailed(
            f"models/{name}.py: the pipeline decides from a probability of {value:.4g}, and "
            f"`threshold` is {definition.threshold}: leave one of the two out"
        )
    return value


def _check_probabilities(card: Description) -> None:
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
    served: Runtime, X: pd.DataFrame, y: pd.Series, card: Description, say: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    score = SCORES[card["score"]]

    def scorer(answers: HeldOutAnswers) -> float:
        value = score.estimate(answers).value
        return value if score.is_better_higher else -value

    weights, extent = permutation_importances(
        X,
        y,
        answer=lambda X, y: _judge(served, X, y, card),
        scorer=scorer,
        has_classes=card["classes"] is not None,
        seed=card["seed"],
    )
    most = sorted(weights, key=lambda name: -weights[name]["mean"])[:3]
    say(f"most important: {', '.join(most)} ({extent})")
    return weights


def _score_line(name: str, entry: ScoreEntry) -> str:
    numbers = (entry["value"], entry["low"], entry["high"], entry["baseline"])
    value, low, high, baseline = map(rounded, numbers)
    return f"{name} {value} (95 % interval {low} to {high}), baseline {baseline}" + (
        f"; {entry['remark']}" if "remark" in entry else ""
    )


#: What runs a version, and what to say where it is not the first choice.
_RUNTIMES = {
    "exact": "served by its own arrays", "onnx": "served by onnxruntime",
    "native": "served by scikit-learn",
}  # fmt: skip


def _runtime_text(entry: RuntimeEntry, description: Description) -> str:
    line, parity = _RUNTIMES[entry["runtime"]], entry["parity"]
    compared = ""
    if parity is not None and entry["runtime"] != "native":
        compared = _parity_text(parity, description)
    if entry["runtime_reason"]:
        lines = [f"{line}, since {entry['runtime_reason']}", compared]
    else:
        lines = [f"{line}, {entry['seconds']['one_row'] * 1e3:.3f} ms a record: {compared}"]
    return "\n".join(filter(None, [*lines, *limit_remarks(entry)]))


def _parity_text(parity: ParityEntry, description: Description) -> str:
    rows, most = parity["rows"], parity["difference"]
    if most == 0 and not parity["mismatches"]:
        return f"all {rows} rows that were compared are answered as by the pipeline, bit for bit"
    if description["task"] == "regression":
        return f"values of {rows} rows differ, as a share of their spread, by up to {most:.1g}"
    # Without probabilities it is the margins that are compared.
    what = "probabilities" if description["has_probabilities"] else "margins"
    share = "" if description["has_probabilities"] else ", as a share of their spread,"
    labels = f"{parity['mismatches']} of {rows} labels differ"
    return f"{labels}, {what}{share} by up to {most:.1g}"
