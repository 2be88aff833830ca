"""One training run, from a table to everything that a version is made of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from engine.cards import facts
from engine.languages import gettext as _
from engine.schema.card import Counts, Decision, Description, SetAsideEntry
from engine.schema.definition import ModelDefinition
from engine.scoring.metrics import SCORES, not_computable
from engine.training.card import describe, plain
from engine.training.columns import summarise
from engine.training.evaluation.costs import cheapest_threshold, probabilities_out_of_fold
from engine.training.evaluation.own_scores import check_scores
from engine.training.evaluation.remarks import split_remarks
from engine.training.export.runtime_choice import PipelineRejectsRecord
from engine.training.failures import TrainingFailed, explained
from engine.training.finish import Fitted, Step, Trained, finish
from engine.training.fitting import fit
from engine.training.provenance import Origin
from engine.training.served_pipeline import ServedPipeline, Threshold
from engine.training.split import Split, folds, split_keys, split_rows
from engine.training.table import InvalidTable, TrainingRows, read_training_rows
from persistence.model_persistence import ModelStore

#: A threshold by cost is chosen on so many training rows at most, in so many folds.
COST_ROWS, COST_FOLDS = 50_000, 5

#: So many lines at most say what the fields' policies accepted in the table.
REMARKS = 20


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
        rows = read_rows(name, definition, data, say)
        table, X, y = rows.table, rows.X, rows.y
    with step("split") as say:
        split, keys, remarks = split_table(definition, table, X, y, say)
    check_scores(name, definition)
    with step("fit") as say:
        kept, description = _fit(name, definition, rows, split, keys, data, origin, say)
    fitted = Fitted(definition, kept, description, table, X, y, split, remarks)
    return finish(
        fitted, step=step, store=store, promote=promote, with_importances=with_importances
    )


def read_rows(
    name: str, definition: ModelDefinition, data: Path, say: Callable[[str], None]
) -> TrainingRows:
    """Return the rows of a model's table that it learns from and is judged by."""
    rows = read_training_rows(load_table(name, definition, data), definition)
    remarks = rows.remarks
    lines = [_("accepted: {remark}").format(remark=remark) for remark in remarks[:REMARKS]]
    if len(remarks) > REMARKS:
        text = _("accepted: {count} more kinds of values")
        lines.append(text.format(count=len(remarks) - REMARKS))
    lines += summarise(rows.X, definition.schema.inputs)
    if rows.set_aside:
        lines.append(facts.set_aside_text(rows.set_aside, len(rows.X)))
    text = _("{rows} rows of {table} fit the schema")
    say("\n".join([*lines, text.format(rows=len(rows.X), table=data.name)]))
    return rows


def load_table(name: str, definition: ModelDefinition, data: Path) -> pd.DataFrame:
    """Return the table that a model's `load_data` reads, its rows numbered from 0."""
    try:
        with explained("load_data", name, passing=(ValueError, OSError)):
            table = definition.load_data(data)
    except ValueError as error:  # pandas raises it for a file that is not a table
        raise InvalidTable(
            [_("{table} cannot be read as a table: {error}").format(table=data, error=error)]
        ) from error
    if not isinstance(table, pd.DataFrame):
        kind = type(table).__name__
        text = _("models/{name}.py: load_data returns {kind}: return a DataFrame")
        raise TrainingFailed(text.format(name=name, kind=kind))
    return table.reset_index(drop=True)


def split_table(
    definition: ModelDefinition, table: pd.DataFrame, X: pd.DataFrame, y: pd.Series,
    say: Callable[[str], None],
) -> tuple[Split, np.ndarray, list[str]]:  # fmt: skip
    """Split the rows; return the keys that decided, and what the held-out rows cannot tell."""
    classes = y.unique().tolist() if definition.schema.task == "classification" else None
    keys = split_keys(definition, table, X)
    split = split_rows(
        X, y, seed=definition.seed, is_classification=classes is not None, way=definition.split,
        keys=keys,
    )  # fmt: skip
    rows, held_out = split.train, split.held_out
    if not len(held_out):
        cause = _("no row can be held out, since there is only one")
        if len(y) > 1:
            cause = _("no row can be held out, since the rows of each class have equal fields")
            if classes is None:
                cause = _("no row can be held out, since all rows have equal fields")
        raise InvalidTable([cause])
    truth = y.iloc[held_out].to_numpy()
    if reason := not_computable(truth, classes).get(definition.score):
        text = _("score {score} cannot be computed: {reason}; give more rows that differ, or "
                 "choose another score")  # fmt: skip
        raise InvalidTable([text.format(score=repr(definition.score), reason=reason)])
    text = _("{rows} rows to learn from, {held_out} held out")
    say(text.format(rows=len(rows), held_out=len(held_out)))
    return split, keys, split_remarks(definition.target, y, X.iloc[held_out], truth)


def _counts(split: Split, keys: np.ndarray, set_aside: SetAsideEntry | None) -> Counts:
    """Return what a card says of the rows."""
    trained, held_out = len(split.train), len(split.held_out)
    counts = Counts(
        rows=trained + held_out, training_rows=trained, held_out_rows=held_out, split=split.way
    )
    if split.way.startswith("time:"):
        counts["held_out_from"] = float(keys[split.held_out].min())
    if set_aside:
        counts["set_aside"] = set_aside
    return counts


def _fit(
    name: str, definition: ModelDefinition, table: TrainingRows, split: Split, keys: np.ndarray,
    data: Path, origin: Origin | None, say: Callable[[str], None],
) -> tuple[ServedPipeline, Description]:  # fmt: skip
    """Fit the pipeline on the training rows, and describe it."""
    rows = split.train
    X, y = table.X.iloc[rows], table.y.iloc[rows]
    kept = fit(name, definition, X, y)
    counts = _counts(split, keys, table.set_aside)
    card = describe_fitted(name, definition, kept, data=data, counts=counts, origin=origin)
    if definition.costs:
        _choose_threshold(name, definition, X, y, keys[rows], kept, card)
    has_threshold = kept.threshold or definition.costs
    chosen = {**kept.chosen, **({"threshold": card["threshold"]} if has_threshold else {})}
    say(", ".join([card["estimator"], *(f"{key} {chosen[key]}" for key in chosen)]))
    return kept, card


def _choose_threshold(
    name: str, definition: ModelDefinition, X: pd.DataFrame, y: pd.Series, keys: np.ndarray,
    kept: ServedPipeline, card: Description,
) -> None:  # fmt: skip
    """Put the threshold by cost into a card, with its curve; the rows are the training rows."""
    if kept.threshold or not card["has_probabilities"]:
        remedy = "leave `costs` out" if kept.threshold else "take one that has them"
        what = "a threshold of its own" if kept.threshold else "no probabilities"
        raise TrainingFailed(f"models/{name}.py: the pipeline has {what}: {remedy}")
    if len(y) > COST_ROWS:
        some = np.random.default_rng(definition.seed).choice(len(y), COST_ROWS, replace=False)
        X, y, keys = X.iloc[some], y.iloc[some], keys[some]
    parts = folds(keys, y, count=COST_FOLDS, way=definition.split)
    given = definition.build_pipeline, X, y, parts, card["positive"]
    probabilities, truth = probabilities_out_of_fold(*given)
    if not len(truth):
        raise TrainingFailed(_("the threshold cannot be chosen: no fold has both classes"))
    card["threshold"], card["costs"] = cheapest_threshold(probabilities, truth, definition.costs)


def describe_fitted(
    name: str, definition: ModelDefinition, kept: ServedPipeline, *, data: Path, counts: Counts,
    origin: Origin | None,
) -> Description:  # fmt: skip
    """Describe a fitted pipeline: with what a search chose, and the threshold that was tuned."""
    card = describe(name, definition, kept.pipeline, data=data, counts=counts, origin=origin)
    card["hyperparameters"] |= plain(kept.chosen)
    card["threshold"] = _threshold(name, definition, kept.threshold, card)
    if definition.request_threshold:
        card["request_threshold"] = True
    if definition.reasons:
        card["reasons"] = definition.reasons
    if definition.answer != "full":
        card["answer"] = definition.answer
    if definition.log_tables != "rows":
        card["log_tables"] = definition.log_tables
    _check_probabilities(card)
    return card


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
    if card.get("answer") == "probabilities" and not card["has_probabilities"]:
        raise PipelineRejectsRecord(
            f"answer is 'probabilities', and {card['estimator']} has none: give 'value', "
            "or wrap it in CalibratedClassifierCV"
        )
    if "reasons" in card and not card["has_probabilities"]:
        raise PipelineRejectsRecord(
            f"reasons need probabilities, and {card['estimator']} has none: leave `reasons` out, "
            "or wrap it in CalibratedClassifierCV"
        )
