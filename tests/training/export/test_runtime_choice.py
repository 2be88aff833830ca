"""What serves answers as the pipeline, whatever is predicted and whatever is asked."""

import re
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, PoissonRegressor, RidgeClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler
from sklearn.preprocessing import scale as standardise
from sklearn.svm import SVR

from engine.runtime.native import NativeRuntime
from engine.runtime.trusted_types import load_pipeline
from engine.schema import Flag, Number
from engine.schema.definition import ModelDefinition
from engine.training.card import describe
from engine.training.exact.translation import translate
from engine.training.export.export import Export, convert
from engine.training.export.obstacles import obstacles
from engine.training.export.parity import ask
from engine.training.export.runtime_choice import (
    PipelineRejectsRecord,
    check_alone,
    choose_runtime,
)
from tests.support.runtimes import BEST, needs_exact, not_exact
from tests.support.trials import convert_here

DRAW = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": DRAW.gamma(3, 2, 150).round(2), "b": DRAW.integers(0, 20, 150) * 1.0})
EFFECT = TABLE["a"] + TABLE["b"] / 4 + DRAW.normal(0, 0.5, 150)
RANGE = {"minimum": 0, "maximum": 100}


def choose(
    estimator: Any, truth: pd.Series, *, scale: bool = True, table: pd.DataFrame = TABLE,
    translate: Any = translate, export: Any = convert_here, step: Any = None, **ranges: Any,
) -> Any:  # fmt: skip
    fields = tuple(Number(name=name, example=1.0, **(ranges or RANGE)) for name in "ab")
    step = step or (StandardScaler() if scale else "passthrough")
    columns = ColumnTransformer([("numbers", step, ["a", "b"])])
    pipeline = make_pipeline(columns, estimator).fit(table, truth)
    is_number = truth.dtype != bool
    definition = ModelDefinition(
        title="Toy", fields=fields, sample=Path(__file__), load_data=lambda path: table,
        target=(Number if is_number else Flag)(name="y", example=1.0 if is_number else True),
        build_pipeline=lambda: pipeline, score="mae" if is_number else "accuracy",
    )  # fmt: skip
    card = describe("toy", definition, pipeline, data=definition.sample)
    entry, _, served = choose_runtime(
        definition, pipeline, table.to_dict("list"), card, export=export,
        translate=translate,
    )  # fmt: skip
    return entry, served, pipeline


def some_rows(count: int) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    return pd.DataFrame({"a": draw.uniform(0, 15, count), "b": draw.integers(0, 20, count) * 1.0})


OFFSETS = [(1.7e9, 600.0), (1e9, 1.0), (300.0, 50.0), (0.0, 1e-9), (5e-10, 1e-10)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "offset", "scale"),
    [
        pytest.param(
            estimator, *pair, id=f"{type(estimator).__name__}-{pair[0]:g}",
            marks=() if pair == OFFSETS[0] and place < 2 else pytest.mark.slow,
        )
        for place, estimator in enumerate(
            (
                RandomForestRegressor(8, random_state=0), LinearRegression(),
                GradientBoostingRegressor(n_estimators=8, random_state=0),
                HistGradientBoostingRegressor(max_iter=8), SVR(),
            )
        )
        for pair in OFFSETS
    ],
)  # fmt: skip
def test_target_when_far_from_0_or_tiny_is_answered_to_its_spread(
    estimator: Any, offset: float, scale: float
) -> None:
    entry, served, pipeline = choose(estimator, offset + scale * EFFECT)
    rows = some_rows(300)

    together = served.run(rows.to_dict("list")).values
    alone = [served.run(rows.iloc[[row]].to_dict("list")).values[0] for row in range(20)]

    low, high = np.quantile(pipeline.predict(TABLE), [0.05, 0.95])
    assert high - low == pytest.approx(entry["spread"])
    expected = pipeline.predict(rows)
    assert np.abs(expected - together).max() <= 1e-5 * (high - low)
    assert np.abs(expected[:20] - alone).max() <= 1e-5 * (high - low)
    is_ordinary = offset < 1e6 and entry["spread"] and not isinstance(estimator, SVR)
    is_left = BEST == "onnx" and isinstance(estimator, HistGradientBoostingRegressor)
    assert not is_ordinary or entry["runtime"] == ("native" if is_left else BEST)


def test_link_when_far_rows_are_answered_hugely_leaves_the_gate_as_narrow() -> None:
    truth = np.exp(EFFECT / 4)

    entry, served, pipeline = choose(PoissonRegressor(), truth, out_of_range="accept")

    assert entry["spread"] < 50
    rows = some_rows(100)
    difference = np.abs(pipeline.predict(rows) - served.run(rows.to_dict("list")).values)
    assert difference.max() <= 1e-5 * entry["spread"]


@pytest.mark.parametrize("runtime", sorted({BEST, "onnx"}))
@pytest.mark.parametrize("scale", [False, True])
def test_forest_when_asked_between_a_threshold_and_its_single_answers_as_fitted(
    *, scale: bool, runtime: str
) -> None:
    forest = RandomForestClassifier(10, random_state=0)
    truth = EFFECT > EFFECT.median()
    way = translate if runtime == "exact" else not_exact
    entry, served, pipeline = choose(forest, truth, scale=scale, translate=way)
    limits = np.concatenate(
        [tree.tree_.threshold[tree.tree_.feature == 0] for tree in pipeline[-1].estimators_]
    )
    if scale:
        scaler = pipeline[0].named_transformers_["numbers"]
        limits = limits * scaler.scale_[0] + scaler.mean_[0]
    rows = pd.concat([some_rows(len(limits)).assign(a=limits + shift * np.spacing(limits))
                      for shift in (-(2**28), -1, 0, 1, 2**28)])  # fmt: skip

    probabilities = served.run(rows.to_dict("list")).probabilities

    assert runtime == entry["runtime"]
    assert entry["parity"]["thresholds"] == entry["parity"]["thresholds_tried"] > 50
    difference = np.abs(pipeline.predict_proba(rows) - probabilities).max()
    assert difference <= (0 if runtime == "exact" else 1e-7)


def test_labels_when_fields_lie_far_from_0_are_those_of_the_pipeline() -> None:
    far = TABLE + 10_000

    entry, served, pipeline = choose(
        RidgeClassifier(), EFFECT > EFFECT.median(), scale=False, table=far, maximum=20_000
    )

    rows = some_rows(20_000) + 10_000
    assert (pipeline.predict(rows) == served.run(rows.to_dict("list")).values).all()
    assert BEST == entry["runtime"], entry["runtime_reason"]


@needs_exact
def test_translation_when_a_leaf_or_a_threshold_is_wrong_is_not_served() -> None:
    forest = RandomForestClassifier(3, max_depth=3, random_state=0)
    truth = EFFECT > EFFECT.median()

    def wrong(pipeline: Any, fields: Any) -> bytes:
        pipeline = deepcopy(pipeline)
        part = getattr(pipeline[-1].estimators_[0].tree_, attribute)
        # Features are compared in single precision: a threshold moves by more than its place.
        if attribute == "threshold":
            part[0] += 1.5 * np.spacing(np.float32(part[0]))
        else:
            part[-1] = np.nextafter(part[-1], np.inf, dtype=part.dtype)
        return translate(pipeline, fields)

    for attribute in ("threshold", "value"):
        entry, _, _ = choose(forest, truth, scale=False, translate=wrong)

        assert "onnx" == entry["runtime"], attribute
        assert "does not answer as the pipeline does" in entry["runtime_reason"]


@pytest.mark.parametrize(
    ("estimator", "step", "sentence"),
    [
        (
            SVR(), "passthrough",
            ("SVR is not evaluated as it is fitted, COST: "
            "use trees, boosting, a linear model, or one average of these"),
        ),
        (
            KNeighborsRegressor(), SplineTransformer(),
            ("KNeighborsRegressor is not evaluated as it is fitted, COST: use trees, boosting, "
            "a linear model, or one average of these, "
            "or leave out SplineTransformer, which is not exported"),
        ),
        (
            LinearRegression(), SplineTransformer(),
            ("SplineTransformer computes a column from several fields (a, b), COST: "
            "leave it out, or compute the column where the data is loaded"),
        ),
    ],
)  # fmt: skip
def test_reason_when_the_pipeline_itself_serves_is_a_sentence_with_its_cost_and_the_remedy(
    estimator: Any, step: Any, sentence: str
) -> None:
    def no_export(skops: bytes, fields: Any, *, model: str) -> Export:
        return Export(None, obstacles(load_pipeline(skops, model=model)))

    entry, _, _ = choose(estimator, EFFECT, step=step, export=no_export)

    assert entry["runtime"] == "native"
    cost = r"so a record takes [\d.e+]+ ms instead of about 0\.02"
    assert sentence == re.sub(cost, "COST", entry["runtime_reason"])


@needs_exact
@pytest.mark.parametrize(
    ("ranges", "remedy"),
    [
        ({"minimum": 0}, "give a and b a minimum and a maximum"),
        (RANGE, "narrow the ranges of the fields to those of real records, or count what"),
    ],
)
def test_reason_when_the_exact_answers_differ_is_what_to_do_about_the_ranges(
    ranges: dict[str, Any], remedy: str
) -> None:
    def wrong(pipeline: Any, fields: Any) -> bytes:
        pipeline = deepcopy(pipeline)
        pipeline[-1].coef_ *= 1.001
        return translate(pipeline, fields)

    entry, _, _ = choose(
        LinearRegression(), EFFECT, translate=wrong, export=lambda *_, **__: Export(None), **ranges
    )

    assert f": {remedy}" in entry["runtime_reason"]


def test_card_when_an_export_answers_what_the_pipeline_does_not_has_no_infinity() -> None:
    def other(skops: bytes, fields: Any, *, model: str) -> Export:
        pipeline = load_pipeline(skops, model=model)
        pipeline[-1].coef_ *= 0
        return Export(convert(pipeline, fields))

    entry, _, _ = choose(
        PoissonRegressor(), np.exp(EFFECT / 4), translate=not_exact, export=other, minimum=0
    )

    assert entry["runtime"] == "native"
    assert entry["parity"]["difference"] is None


def test_range_when_open_is_limited_to_what_the_pipeline_takes() -> None:
    truth = EFFECT > EFFECT.median()
    forest = RandomForestClassifier(5, random_state=0)

    entry, _, pipeline = choose(forest, truth, minimum=0)

    (limit, _) = (field["limit"] for field in entry["schema"]["fields"])
    assert BEST == entry["runtime"], entry["runtime_reason"]
    pipeline.predict(TABLE.head(1).assign(a=limit))
    with pytest.raises(ValueError, match="too large"):
        pipeline.predict(TABLE.head(1).assign(a=10 * limit))


def test_range_when_the_pipeline_takes_every_double_stays_open() -> None:
    boosting = HistGradientBoostingRegressor(max_iter=3)

    entry, _, _ = choose(boosting, EFFECT, scale=False, minimum=0)

    assert [None, None] == [field["limit"] for field in entry["schema"]["fields"]]


def test_choice_when_a_declared_end_is_rejected_names_the_field_and_the_value() -> None:
    forest = RandomForestClassifier(3, random_state=0)

    with pytest.raises(PipelineRejectsRecord, match=r"such as a = 1e\+300: .*too large"):
        choose(forest, EFFECT > EFFECT.median(), minimum=0, maximum=1e300)


def test_choice_when_a_row_alone_is_answered_otherwise_says_so() -> None:
    pipeline = make_pipeline(FunctionTransformer(standardise), LinearRegression())
    fields = tuple(Number(name=name, example=1.0) for name in "ab")
    native = NativeRuntime(pipeline.fit(TABLE, EFFECT), fields)
    card: Any = {"classes": None}
    answers = ask(native, TABLE.to_dict("list"), len(TABLE), card)

    with pytest.raises(PipelineRejectsRecord, match="alone otherwise than among others"):
        check_alone(native, answers, len(TABLE), card)


def test_choice_when_numbers_are_unbounded_warns_of_no_overflow() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        choose(LinearRegression(), EFFECT, minimum=None, maximum=None)
