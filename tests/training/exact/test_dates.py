"""Models of dates and their parts answer with the bits of the fitted pipeline."""

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from engine.preprocessing.date_parts import DateParts
from engine.runtime.exact import ExactRuntime
from engine.runtime.exact_contents import has_equal_bits, thresholds
from engine.runtime.native import NativeRuntime, frame
from engine.schema import Date, DateTime, Number
from engine.training.exact.refusal import NotExact
from engine.training.exact.translation import translate
from engine.training.export.challenge import Challenge, joined

FIELDS = (
    Date(name="sold", example="2024-05-17", missing="accept"),
    DateTime(name="paid", example="2024-05-17T10:30:00", zone="America/Santiago"),
    Number(name="size", example=1.0, minimum=0, maximum=10),
)
ALL: Any = ("year", "month", "day", "weekday", "hour", "month_cycle", "weekday_cycle",
            "hour_cycle", "age")  # fmt: skip
_FIRST, _LAST = -62_135_596_800, 253_402_300_799


def columns_of(count: int, low: int, high: int, *, seed: int) -> dict[str, Any]:
    """Invent dates with gaps, beside the ends of the calendar and of its leap years."""
    draw = np.random.default_rng(seed)
    odd = [-1, 0, 86_399, 86_400, -86_400, 951_782_399, 951_782_400, 951_868_800, 4_107_542_400]
    paid = np.array([*odd, max(low, _FIRST), high, *draw.integers(low, high, count)], float)
    sold = np.where(draw.random(len(paid)) < 0.1, np.nan, paid // 86_400 * 86_400)
    return {"sold": sold, "paid": draw.permutation(paid), "size": draw.uniform(0, 10, len(paid))}


NEAR = columns_of(300, 0, 1_800_000_000, seed=0)
FAR = columns_of(3_000, _FIRST, _LAST, seed=1)
TARGET = np.sin(np.nan_to_num(NEAR["sold"]) / 4e6) + NEAR["paid"] % 86_400 / 40_000 + NEAR["size"]


def parts(*names: str, numbers: Any = "passthrough") -> ColumnTransformer:
    since = "2000-01-01" if "age" in names else ""
    dates: Any = DateParts(parts=names, since=since)  # type: ignore[arg-type]
    return ColumnTransformer([("dates", dates, ["sold", "paid"]), ("numbers", numbers, ["size"])])


def both_answers(pipeline: Any, target: Any = TARGET) -> tuple[Any, Any, bytes]:
    pipeline.fit(frame(NEAR, FIELDS), target)
    content = translate(pipeline, FIELDS)
    has_probabilities = hasattr(pipeline, "predict_proba")
    exact = ExactRuntime(content, FIELDS, has_probabilities=has_probabilities)
    challenge = Challenge(NEAR, FIELDS, seed=1)
    rows = joined(NEAR, FAR, challenge.turning_points()[0],
                  challenge.at_numbers(*thresholds(content)))  # fmt: skip
    answers = [runtime.run(rows) for runtime in (exact, NativeRuntime(pipeline, FIELDS))]
    seen, expected = (one.probabilities if has_probabilities else one.values for one in answers)
    return seen, expected, content


@pytest.mark.parametrize("pipeline", [
    *(make_pipeline(parts(name), DecisionTreeRegressor(max_depth=8, random_state=0))
      for name in ALL),
    make_pipeline(parts(*ALL), RandomForestRegressor(10, random_state=0)),
    make_pipeline(parts(*ALL, numbers=StandardScaler()), SimpleImputer(), StandardScaler(),
                  GradientBoostingRegressor(n_estimators=20, random_state=0)),
    make_pipeline(parts(*ALL), HistGradientBoostingRegressor(max_iter=20, random_state=0)),
    make_pipeline(ColumnTransformer([
        ("month", make_pipeline(SimpleImputer(), DateParts(parts=("month", "day")),
                                OneHotEncoder(handle_unknown="ignore")), ["sold"]),
        ("raw", "passthrough", ["paid"])], sparse_threshold=0),
        DecisionTreeRegressor(max_depth=6, random_state=0)),
])  # fmt: skip
def test_trees_of_dates_when_translated_answer_with_the_same_bits(pipeline: Any) -> None:
    seen, expected, content = both_answers(pipeline)

    assert has_equal_bits(content)
    assert expected.tobytes() == seen.tobytes()


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), None])
@pytest.mark.parametrize("names", [("month", "weekday_cycle"), ("year", "hour"), ("age",)])
def test_linear_models_of_dates_when_translated_answer_within_rounding(
    names: Any, scaler: Any
) -> None:
    prepare = make_pipeline(parts(*names), SimpleImputer(), scaler)

    seen, expected, _ = both_answers(make_pipeline(prepare, LinearRegression()))
    shares, labels, _ = both_answers(make_pipeline(prepare, LogisticRegression()), TARGET > 5)

    np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(shares, labels, rtol=0, atol=1e-9)


def ages(**words: Any) -> ColumnTransformer:
    parts: Any = DateParts(**{"parts": ("age", "month"), "since": "sold", **words})
    return ColumnTransformer([("dates", parts, ["sold", "paid"])])


def ages_at(pipeline: Any) -> dict[str, Any]:
    """Return dates so far from each other as the tree turns, and a second more and less."""
    first = pipeline[-1]
    first = getattr(first, "estimators_", [first])[0]
    tree = first.tree_
    place = [*pipeline[0].get_feature_names_out()].index("dates__paid_age")
    days = tree.threshold[tree.feature == place]
    seconds = (np.round(days * 86_400)[:, None] + [-2, -1, 0, 1, 2]).ravel()
    sold = np.tile(np.array([0.0, 951_782_400.0, -6e10 // 86_400 * 86_400]), len(seconds))
    paid = np.clip(sold + np.repeat(seconds, 3), _FIRST, _LAST)
    return {"sold": sold, "paid": paid, "size": np.ones(len(sold))}


@pytest.mark.parametrize("estimator", [
    DecisionTreeRegressor(max_depth=8, random_state=0), RandomForestRegressor(5, random_state=0)
])  # fmt: skip
def test_ages_between_two_dates_when_translated_answer_with_the_same_bits(estimator: Any) -> None:
    target = NEAR["paid"] - np.nan_to_num(NEAR["sold"]) + 1e8 * np.isnan(NEAR["sold"])
    pipeline = make_pipeline(ages(), estimator)

    seen, expected, content = both_answers(pipeline, target)
    rows = ages_at(pipeline)
    exact = ExactRuntime(content, FIELDS, has_probabilities=False).run(rows).values

    assert expected.tobytes() == seen.tobytes()
    assert NativeRuntime(pipeline, FIELDS).run(rows).values.tobytes() == exact.tobytes()
    assert len({*exact.tolist()}) > 5


@pytest.mark.parametrize("scaler", [StandardScaler(), None])
def test_ages_between_two_dates_in_a_linear_model_answer_within_rounding(scaler: Any) -> None:
    pipeline = make_pipeline(ages(), SimpleImputer(), scaler, LinearRegression())

    seen, expected, _ = both_answers(pipeline)

    np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-9)


def test_ages_when_a_gap_is_filled_before_are_left_to_the_pipeline() -> None:
    pipeline = make_pipeline(ColumnTransformer([
        ("dates", make_pipeline(SimpleImputer(), DateParts(parts=("age",), since="x0")),
         ["sold", "paid"])]), DecisionTreeRegressor(max_depth=3))  # fmt: skip
    pipeline[0].transformers[0][1][0].set_output(transform="pandas")
    pipeline[0].transformers[0][1][1].set_params(since="sold")
    pipeline.fit(frame(NEAR, FIELDS), TARGET)

    with pytest.raises(NotExact, match="a gap of paid and sold is filled before the days"):
        translate(pipeline, FIELDS)


def test_ages_when_they_pass_the_ranges_of_the_fields_answer_with_the_same_bits() -> None:
    draw = np.random.default_rng(0)
    fields = (
        Date(name="sold", example="2024-12-31", minimum="2000-01-01", maximum="2024-12-31"),
        Date(name="paid", example="2024-12-31", minimum="2024-01-01", maximum="2024-12-31"),
    )
    spans = {"sold": (10_957, 20_088), "paid": (19_723, 20_088)}
    columns = {name: 86_400.0 * draw.integers(*span, 500) for name, span in spans.items()}
    pipeline = make_pipeline(ages(), DecisionTreeRegressor(max_depth=3, random_state=0))
    pipeline.fit(frame(columns, fields), columns["paid"] - columns["sold"] > 5_000 * 86_400)

    exact = ExactRuntime(translate(pipeline, fields), fields, has_probabilities=False)

    expected = NativeRuntime(pipeline, fields).run(columns).values
    assert expected.tobytes() == exact.run(columns).values.tobytes()
    assert {0.0, 1.0} == {*expected.tolist()}
