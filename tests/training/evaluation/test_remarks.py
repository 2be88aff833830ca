"""What the scores leave out is said, in sentences that name it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.schema import Category, Number
from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation.remarks import label_remarks, split_remarks

KIND = Category(name="kind", example="p", categories=("p", "q", "same", "never"))
MANY = pd.DataFrame({"a": range(20)})


def test_remarks_when_classes_are_absent_name_them_and_the_score_that_is_left_out() -> None:
    y = pd.Series(["p", "q"] * 20 + ["same"] * 10)

    remarks = split_remarks(KIND, y, MANY, np.array(["p", "q"] * 10))

    assert [
        (
            "no held-out row has the class 'same', since too few of its 10 rows differ in their "
            "fields: no score says how well it is recognised"
        ),
        "no row of the table has the declared class 'never': it is never predicted",
        "roc_auc is left out: none of the 20 held-out rows has the class 'same'",
    ] == remarks


@pytest.mark.parametrize(
    ("truth", "score"),
    [
        ([5.0], "r2 is left out: it is measured by how the held-out values vary, and there is one"),
        ([5.0, 5.0], "r2 is left out: it is measured by how the held-out values vary, and all 2"),
    ],
)
def test_remarks_when_hardly_anything_is_held_out_say_what_that_costs(
    truth: list[float], score: str
) -> None:
    target, y = Number(name="y", example=1.0), pd.Series([1.0, 5.0, 5.0])

    remarks = split_remarks(target, y, MANY.head(len(truth)), np.array(truth))

    assert remarks[0].startswith(score)
    assert f"only {len(truth)} of {len(truth)} held-out rows differ in their fields" in remarks[1]
    assert [] == split_remarks(target, y, MANY, np.arange(20.0))


def card(**changes: Any) -> Any:
    return {"positive": "yes", "threshold": 0.3} | changes


@pytest.mark.parametrize(
    ("classes", "changes", "rule"),
    [
        (["no", "yes"], {}, "'yes' from a probability of 0.3"),
        (["no", "perhaps", "yes"], {"positive": None}, "the most probable class"),
    ],
)
def test_remark_when_labels_differ_from_the_pipelines_own_counts_them_and_says_why(
    classes: list[str], changes: dict[str, Any], rule: str
) -> None:
    labels = np.array(["no", "yes", "yes", "no"])
    answers = HeldOutAnswers(labels, labels, np.ones((4, len(classes))), classes, "yes")

    differing = label_remarks(answers, ["no", "no", "no", "no"], card(**changes))

    others = "2 of 4 held-out rows get another label than from the pipeline's own `predict`"
    assert [f"{others}, since the service answers {rule}"] == differing
    assert [] == label_remarks(answers, labels, card(**changes))
