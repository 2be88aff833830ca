"""What a reader of the scores must know, in sentences: for the build and for the card."""

from typing import Any

import numpy as np
import pandas as pd

from engine.schema.card import Description
from engine.schema.fields import Field
from engine.schema.messages import shown
from engine.scoring.interval import FEWEST_ROWS
from engine.scoring.judged import HeldOutAnswers
from engine.scoring.metrics import not_computable


def split_remarks(
    target: Field, y: pd.Series, X_held_out: pd.DataFrame, truth: np.ndarray
) -> list[str]:
    """Return what the held-out rows cannot tell.

    Parameters
    ----------
    y : Series of shape (n_rows,)
        The true values of the whole table.
    X_held_out, truth
        The held-out rows and their true values.
    """
    remarks = []
    classes = target.classes and [label for label in target.classes if (y == label).any()]
    for label in target.classes or ():
        if not (y == label).any():
            remarks.append(
                f"no row of the table has the declared class {shown(label)}: it is never predicted"
            )
        elif not (truth == label).any():
            remarks.append(
                f"no held-out row has the class {shown(label)}, since too few of its "
                f"{(y == label).sum()} rows differ in their fields: "
                "no score says how well it is recognised"
            )
    for score, reason in not_computable(truth, classes).items():
        remarks.append(f"{score} is left out: {reason}")
    if (different := len(X_held_out.drop_duplicates())) < FEWEST_ROWS:
        remarks.append(
            f"only {different} of {len(truth)} held-out rows differ in their fields: "
            "that is too few to say how other records are answered"
        )
    return remarks


def label_remarks(judged: HeldOutAnswers, own: Any, card: Description) -> list[str]:
    """Return how many labels differ from those of the pipeline's own `predict`, and why.

    Nothing where none differs. Without probabilities the own labels are what is answered.
    """
    if judged.classes is None or judged.probabilities is None:
        return []
    differing = int((np.asarray(own, dtype=judged.truth.dtype) != judged.predicted).sum())
    if not differing:
        return []
    rule = "the most probable class"
    if card["positive"] is not None:
        rule = f"{shown(card['positive'])} from a probability of {card['threshold']:.4g}"
    others = f"{differing} of {len(judged.truth)} held-out rows get another label"
    return [f"{others} than from the pipeline's own `predict`, since the service answers {rule}"]
