"""From a fitted pipeline to everything that a version is made of."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor

from engine.cards.facts import comparison_of, uncertainty_text
from engine.cards.markdown import model_card
from engine.languages import gettext as _
from engine.languages import in_english, local_number, mark
from engine.runtime.familiarity import CodedRows
from engine.runtime.reference import FILE
from engine.runtime.runtimes import Columns, Runtime
from engine.runtime.version import decide
from engine.schema.card import Card, Decision, Description, ParityEntry, RuntimeEntry, ScoreEntry
from engine.schema.definition import ModelDefinition
from engine.schema.messages import rounded
from engine.scoring.judged import HeldOutAnswers, judge
from engine.scoring.metrics import SCORES, class_scores, score
from engine.scoring.pictures import picture_values
from engine.training.evaluation.champion import challenge
from engine.training.evaluation.importances import impurity_importances, permutation_importances
from engine.training.evaluation.own_scores import own_scores
from engine.training.evaluation.reference import reference
from engine.training.evaluation.remarks import label_remarks
from engine.training.export.limits import limit_remarks
from engine.training.export.runtime_choice import choose_runtime, decided_by
from engine.training.reference_file import write_reference
from engine.training.report import write_report
from engine.training.served_pipeline import ServedPipeline
from engine.training.split import Split
from engine.training.uncertainty import uncertainty
from persistence.model_persistence import ModelStore

#: Opens a step of the run: ``with step("fit") as say: say("200 trees")``.
Step = Callable[[str], AbstractContextManager[Callable[[str], None]]]


@dataclass(frozen=True)
class Trained:
    """The card, except what the store adds, and the files: the model, report and model card."""

    card: Card
    files: dict[str, bytes]


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline with its description, and the table whose held-out rows judge it.

    `X` and `y` are the rows of `table` as they were read; the remarks say what the rows
    cannot tell.
    """

    definition: ModelDefinition
    kept: ServedPipeline
    description: Description
    table: pd.DataFrame
    X: pd.DataFrame
    y: pd.Series
    split: Split
    remarks: list[str]


def finish(
    fitted: Fitted, *, step: Step, store: ModelStore | None = None, promote: str = "always",
    with_importances: bool = True,
) -> Trained:  # fmt: skip
    """Choose what serves a fitted pipeline, judge it, and write what a version is made of.

    The parameters and errors are those of `train`.
    """
    definition, kept, description = fitted.definition, fitted.kept, fitted.description
    X, y, rows, held_out = fitted.X, fitted.y, fitted.split.train, fitted.split.held_out
    unseen, truth, table = X.iloc[held_out], y.iloc[held_out], fitted.table
    with step("export") as say:
        given = definition, kept.pipeline, _columns(unseen), description
        runtime, files, served = choose_runtime(*given)
        description = decided_by(runtime["runtime"], description)
        say(_runtime_text(runtime, description))
    with step("score") as say:
        judged = _judge(served, unseen, truth, description)
        baseline = _baseline(X, y, rows, held_out, description)
        scores = score(judged, baseline)
        scores |= own_scores(definition.scores, description, judged, baseline)
        remarks = fitted.remarks + label_remarks(judged, kept.fitted.predict(unseen), description)
        say("\n".join([*(_score_line(name, entry) for name, entry in scores.items()), *remarks]))
    with step("importances") as say:
        shuffled = with_importances and _importances(served, unseen, truth, description, say)
    with step("compare") as say:
        comparison = challenge(store, description, judged, table.iloc[held_out], promote=promote)
        say(comparison_of(comparison))
    with step("uncertainty") as say:
        doubt, coded = _uncertainty(fitted, judged, served, description)
        say(uncertainty_text(doubt))
    with step("report"), in_english():
        shared = [field for field in definition.schema.inputs if not field.private]
        card: Card = {  # the store adds the other keys
            **description, "remarks": remarks, "scores": scores, "uncertainty": doubt,
            "class_scores": class_scores(judged), "reference": reference(X.iloc[rows], shared),
            "pictures": _pictures(definition, judged), "permutation_importances": shuffled or {},
            "impurity_importances": impurity_importances(kept.pipeline), "challenge": comparison,
            **runtime,  # type: ignore[typeddict-item]
        }  # fmt: skip
        files["report.html"] = write_report(card, judged, *(x.iloc[rows] for x in (X, y, table)))
        files[FILE] = write_reference(definition, X.iloc[rows], judged, coded)
        files["model-card.md"] = model_card(card).encode()
    return Trained(card, files)


def _judge(served: Runtime, X: pd.DataFrame, y: pd.Series, card: Decision) -> HeldOutAnswers:
    """Answer rows with the runtime that will serve, and collect the answers with the truth."""
    return judge(y.to_numpy(), decide(served.run(_columns(X)), card), card)


def _uncertainty(
    fitted: Fitted, judged: HeldOutAnswers, served: Runtime, card: Description
) -> tuple[dict[str, Any], CodedRows | None]:
    X, y = fitted.X, fitted.y
    return uncertainty(
        fitted.definition, fitted.table, X, fitted.split, judged,
        lambda rows: _judge(served, X.iloc[rows], y.iloc[rows], card),
    )  # fmt: skip


def _pictures(definition: ModelDefinition, judged: HeldOutAnswers) -> dict[str, Any]:
    # They would tell values of a private target.
    return {} if definition.target.private else picture_values(judged)


def _columns(X: pd.DataFrame) -> Columns:
    return {str(name): X[name].to_numpy() for name in X}


def _baseline(
    X: pd.DataFrame, y: pd.Series, rows: np.ndarray, held_out: np.ndarray, card: Description
) -> HeldOutAnswers:
    """Collect the answers of a model that ignores its input: class shares, or the mean."""
    is_regression = card["classes"] is None
    dummy = DummyRegressor() if is_regression else DummyClassifier(strategy="prior")
    dummy.fit(X.iloc[rows], y.iloc[rows])
    unseen, probabilities = X.iloc[held_out], None
    if card["has_probabilities"]:  # a fitted model may know classes that no row has
        places = [card["classes"].index(label) for label in dummy.classes_.tolist()]
        probabilities = np.zeros((len(unseen), len(card["classes"])))
        probabilities[:, places] = dummy.predict_proba(unseen)
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
    text = _("most important: {fields} ({extent})")
    say(text.format(fields=", ".join(most), extent=extent))
    return weights


def _score_line(name: str, entry: ScoreEntry) -> str:
    numbers = (entry["value"], entry["low"], entry["high"], entry["baseline"])
    value, low, high, baseline = (
        local_number(rounded(number), grouped=False) for number in numbers
    )
    text = _("{score} {value} (95% interval {low} to {high}), baseline {baseline}")
    line = text.format(score=name, value=value, low=low, high=high, baseline=baseline)
    return f"{line}; {entry['remark']}" if "remark" in entry else line


#: What runs a version, and what to say where it is not the first choice.
_RUNTIMES = {
    "exact": mark("served by its own arrays"), "onnx": mark("served by onnxruntime"),
    "native": mark("served by scikit-learn"),
}  # fmt: skip


def _runtime_text(entry: RuntimeEntry, description: Description) -> str:
    line, parity = _(_RUNTIMES[entry["runtime"]]), entry["parity"]
    compared = ""
    if parity is not None and entry["runtime"] != "native":
        compared = _parity_text(parity, description)
    if entry["runtime_reason"]:
        text = _("{line}, since {reason}")
        lines = [text.format(line=line, reason=entry["runtime_reason"]), compared]
    else:
        text = _("{line}, {milliseconds} ms a record: {compared}")
        milliseconds = local_number(f"{entry['seconds']['one_row'] * 1e3:.3f}")
        lines = [text.format(line=line, milliseconds=milliseconds, compared=compared)]
    return "\n".join(filter(None, [*lines, *limit_remarks(entry)]))


def _parity_text(parity: ParityEntry, description: Description) -> str:
    rows, most = parity["rows"], parity["difference"]
    if most == 0 and not parity["mismatches"]:
        text = _("all {rows} rows that were compared are answered as by the pipeline, bit for bit")
        return text.format(rows=rows)
    if description["task"] == "regression":
        text = _("values of {rows} rows differ, as a share of their spread, by up to {most}")
    elif description["has_probabilities"]:
        text = _("{labels} of {rows} labels differ, probabilities by up to {most}")
    else:  # it is the margins that are compared
        text = _("{labels} of {rows} labels differ, margins, as a share of their spread, by up to "
                 "{most}")  # fmt: skip
    return text.format(labels=parity["mismatches"], rows=rows, most=local_number(f"{most:.1g}"))
