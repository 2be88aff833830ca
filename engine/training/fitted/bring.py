"""Make a version of a model that was fitted elsewhere."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from engine.schema.card import Counts, Description
from engine.scoring.metrics import not_computable
from engine.training.finish import Fitted, Step, Trained, finish
from engine.training.fitted.opening import open_fitted
from engine.training.fitted.schema import define
from engine.training.provenance import Origin
from engine.training.served_pipeline import ServedPipeline
from engine.training.split import Split
from engine.training.table import read_table
from engine.training.train import describe_fitted
from persistence.model_persistence import ModelStore
from persistence.store_errors import StoreError

#: The first probability above a half: at a half, scikit-learn answers the other class.
_ABOVE_HALF = float(np.nextafter(0.5, 1))


def imported_from(store: ModelStore, name: str) -> str:
    """Return the file that the promoted version of a model was imported from; empty if none."""
    try:
        return str(store.read_card(name).get("imported", {}).get("file", ""))
    except StoreError:
        return ""


def bring(
    name: str, model: Path, data: Path, target: str, *, trust: str, step: Step,
    store: ModelStore | None = None, promote: str = "always", origin: Origin | None = None,
    with_importances: bool = True,
) -> Trained:  # fmt: skip
    """Open a fitted model, describe it by a sample, and make a version of it.

    Parameters
    ----------
    model, data : Path
        The model's file or MLflow folder, and a table of rows as the model takes them.
    target : str
        The column of the table with the true values.
    trust : str
        "yes" if code that the file names may run in a process that is shut, "unguarded" if also
        where none can be; else empty.

    Raises
    ------
    engine.training.fitted.formats.NotBrought
        When the file or the sample are not what can be served.
    """
    with step("open") as say:
        kept, entry = open_fitted(model, name, trust=trust, say=say)
        say(f"{type(kept.pipeline).__name__} of {entry['file']}")
    # A frame has names, which a model fitted on a matrix mentions in each answer.
    warnings.filterwarnings("ignore", message="X has feature names")
    with step("sample") as say:
        definition, table, remarks = define(name, kept.pipeline, data, target)
        X, y, _ = read_table(table, definition.schema, is_to_learn_from=False)
        say(f"each of {len(X)} rows of {data.name} is answered as by the model itself")
    every = np.arange(len(X))
    counts = Counts(rows=len(X), training_rows=0, held_out_rows=len(X), split="none")
    card = describe_fitted(name, definition, kept, data=data, counts=counts, origin=origin)
    card["imported"] = entry
    remarks += _decide(card, kept, X)
    card["code"].pop("model_sha256", None)
    seen = f"the model was imported, and may have learnt from the rows of {data.name}"
    absent = not_computable(y.to_numpy(), definition.target.classes).items()
    absences = [f"{score} is left out: {reason}" for score, reason in absent]
    remarks = [f"{seen} that score it", *remarks, *absences]
    split = Split(every, every, "none")
    fitted = Fitted(definition, kept, card, table, X, y, split, remarks)
    return finish(
        fitted, step=step, store=store, promote=promote, with_importances=with_importances
    )


def _decide(card: Description, kept: ServedPipeline, X: pd.DataFrame) -> list[str]:
    """Let a card decide as the model's own predict; say where that is not by probabilities."""
    if not card["has_probabilities"] or kept.threshold:
        return []
    shares, classes = kept.pipeline.predict_proba(X), np.asarray(kept.pipeline.classes_)
    if card["positive"] is not None:
        card["threshold"] = _ABOVE_HALF
    others = int((kept.pipeline.predict(X) != classes[shares.argmax(axis=1)]).sum())
    why = "the class of the highest probability is served, which predict of the model is not"
    return [f"{why} in {others} of {len(X)} rows"] if others else []
