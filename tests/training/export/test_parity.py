"""How the gate compares: by the spread of real answers, one by one and together."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from engine.runtime.native import NativeRuntime
from engine.runtime.runtimes import Outputs
from engine.runtime.version import decide
from engine.schema import Number
from engine.training.export.parity import Reference, ask, compare, differs_alone, is_slower
from engine.training.export.runtime_choice import decided_by

CLASSES: Any = {"classes": [False, True], "positive": True, "threshold": 0.5}
NUMBERS: Any = {"classes": None, "positive": None, "threshold": 0.5}
FIELDS = (Number(name="size", example=1.0),)


class Fixed:
    """Answers by the size, which is the place of the row."""

    def __init__(self, outputs: Outputs, margins: Any = None, alone: Any = None) -> None:
        self.outputs, self._margins = outputs, margins
        self.alone = outputs if alone is None else alone

    def run(self, columns: Any) -> Outputs:
        rows = np.asarray(columns["size"], dtype=int)
        outputs = self.alone if len(rows) == 1 else self.outputs
        parts = (outputs.values, outputs.probabilities)
        return Outputs(*(None if part is None else part[rows] for part in parts))

    def margins(self, columns: Any) -> Any:
        return self._margins


def reference(outputs: Outputs, **rest: Any) -> Reference:
    size = len(outputs.values if outputs.probabilities is None else outputs.probabilities)
    given = {"margins": None, "spread": None, **rest}
    return Reference({"size": np.arange(float(size))}, outputs, **given)


@pytest.mark.parametrize(
    ("shift", "is_accepted"),
    [(0.0, True), (0.9e-5, True), (1.1e-5, False), (1e-3, False), (np.nan, False)],
)
def test_compare_when_probabilities_differ_accepts_up_to_the_tolerance(
    shift: float, *, is_accepted: bool
) -> None:
    native = np.array([[0.4, 0.6], [0.7, 0.3]])
    export: Any = Fixed(Outputs(None, native + np.array([-shift, shift])))

    parity = compare(lambda: export, reference(Outputs(None, native)), CLASSES)

    assert is_accepted == (parity.reason == "")


@pytest.mark.parametrize("offset", [0.0, 1.7e9, -300.0])
@pytest.mark.parametrize(("share", "is_accepted"), [(0.9e-5, True), (1.2e-5, False)])
def test_compare_when_numbers_differ_accepts_a_share_of_the_spread_wherever_they_lie(
    offset: float, share: float, *, is_accepted: bool
) -> None:
    native = np.linspace(0, 4000, 1000) + offset
    export: Any = Fixed(Outputs(native + share * 3600, None))

    parity = compare(lambda: export, reference(Outputs(native, None), spread=3600.0), NUMBERS)

    assert is_accepted == (parity.reason == "")


@pytest.mark.parametrize(("shift", "is_accepted"), [(0.0, True), (1e-300, False)])
def test_compare_when_real_answers_are_all_equal_accepts_equal_numbers_only(
    shift: float, *, is_accepted: bool
) -> None:
    native = np.zeros(4)
    export: Any = Fixed(Outputs(native + shift, None))

    parity = compare(lambda: export, reference(Outputs(native, None), spread=0.0), NUMBERS)

    assert is_accepted == (parity.reason == "")


def test_spread_when_made_up_rows_are_answered_far_away_is_that_of_real_rows() -> None:
    class Wide:
        classes_ = None

        def predict(self, table: pd.DataFrame) -> Any:
            return np.exp(table["size"])

    rows = {"size": np.append(np.linspace(0, 1, 101), [300.0, 700.0])}

    answers = ask(NativeRuntime(Wide(), FIELDS), rows, 101, NUMBERS)

    expected = np.exp(0.95) - np.exp(0.05)
    assert expected == pytest.approx(answers.spread)


def test_compare_when_one_row_alone_differs_refuses_the_export() -> None:
    native = np.linspace(0, 1, 50)
    export: Any = Fixed(Outputs(native, None), alone=Outputs(native + 1e-3, None))

    parity = compare(lambda: export, reference(Outputs(native, None), spread=0.9), NUMBERS)

    assert "differ by up to 0.0011" in parity.reason


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_compare_when_the_pipeline_has_no_answer_wants_none_of_the_export(missing: float) -> None:
    native = np.array([1.0, 2.0, missing])
    equal: Any = Fixed(Outputs(np.array([1.0, 2.0, np.nan]), None))
    other: Any = Fixed(Outputs(np.array([1.0, 2.0, 3.0]), None))

    answers = reference(Outputs(native, None), spread=1.0)

    assert not compare(lambda: equal, answers, NUMBERS).reason
    assert compare(lambda: other, answers, NUMBERS).reason


@pytest.mark.parametrize(
    ("margins", "is_accepted"),
    [
        (np.array([[1.0, -1.0], [-2.0, 2.0]]), True),
        (np.array([[1.0, -1.0], [-2.0, 2.0001]]), False),
        (None, False),
    ],
)
def test_compare_when_there_are_only_labels_compares_their_margins(
    margins: Any, *, is_accepted: bool
) -> None:
    labels = Outputs(np.array([False, True]), None)
    answers = reference(labels, margins=np.array([-1.0, 2.0]), spread=2.7)
    export: Any = Fixed(labels, margins)

    assert is_accepted == (not compare(lambda: export, answers, CLASSES).reason)


def test_margins_when_asked_for_are_those_of_the_pipeline() -> None:
    X = pd.DataFrame({"size": np.linspace(0, 1, 20)})
    pipeline = make_pipeline(RidgeClassifier()).fit(X, X["size"] > 0.5)

    answers = ask(NativeRuntime(pipeline, FIELDS), X.to_dict("list"), 20, CLASSES)

    margins = pipeline.decision_function(X)
    np.testing.assert_array_equal(margins, answers.margins)
    assert np.ptp(np.quantile(margins, [0.05, 0.95])) == pytest.approx(answers.spread)


@pytest.mark.parametrize("is_alike", [True, False])
def test_pipeline_when_it_computes_from_the_rows_it_is_given_differs_alone(
    *, is_alike: bool
) -> None:
    X = pd.DataFrame({"size": np.linspace(0, 1, 20)})
    step = FunctionTransformer(None if is_alike else lambda table: table - table.mean())
    pipeline = make_pipeline(step, RidgeClassifier()).fit(X, X["size"] > 0.5)
    native = NativeRuntime(pipeline, FIELDS)
    answers = ask(native, X.to_dict("list"), 20, CLASSES)

    assert is_alike != differs_alone(native, answers, CLASSES)


@pytest.mark.parametrize(
    ("one_row", "thousand_rows", "is_refused"),
    [(0.1, 1.0, False), (1.0, 2.0, False), (1.1, 0.5, True), (0.1, 2.1, True)],
)
def test_speed_rule_when_slower_for_one_row_or_twice_in_bulk_refuses(
    one_row: float, thousand_rows: float, *, is_refused: bool
) -> None:
    native = {"one_row": 1.0, "thousand_rows": 1.0}

    found = is_slower({"one_row": one_row, "thousand_rows": thousand_rows}, native)

    assert is_refused == found


@pytest.mark.parametrize(("runtime", "reaches"), [("exact", 0), ("native", 0), ("onnx", 1)])
def test_probability_when_just_below_the_threshold_reaches_it_in_an_export_alone(
    runtime: str, reaches: int
) -> None:
    toy: Any = {"classes": [0, 1], "positive": 1, "threshold": 0.5, "has_probabilities": True}
    shares = np.array([[0.5 + 5e-7, 0.5 - 5e-7]])

    (prediction,) = decide(Outputs(None, shares), decided_by(runtime, toy))

    assert prediction.value == reaches
