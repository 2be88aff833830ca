"""XGBoost and LightGBM, translated: the bits of their own margins, and their probabilities."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.runtime.exact import ExactRuntime
from engine.runtime.exact_contents import HEADER, MEMBER, SLOT, Link, has_equal_bits
from engine.runtime.native import NativeRuntime, frame
from engine.runtime.trusted_types import load_pipeline
from engine.schema import Number
from engine.training.artifact import dump_pipeline
from engine.training.exact.translation import translate
from engine.training.export.thresholds import Splits
from engine.training.served_pipeline import served
from tests.training.exact.fitted import FIELDS, fit, hard_rows, numbered, same_bits, words_and

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
pytestmark = [pytest.mark.usefixtures("library"), pytest.mark.filterwarnings("ignore")]

_FEW: dict[str, Any] = {"n_estimators": 8, "random_state": 0, "n_jobs": 1}
_LEAVES: dict[str, Any] = {"num_leaves": 8, "min_child_samples": 5, "verbose": -1, **_FEW}
_LISTED = ["split_feature", "decision_type", "threshold"]
_ROWS = 150

#: Numbers of all kinds: any, whole, of all magnitudes, mostly zero, and codes.
NUMBERS = (
    *(Number(name=f"x{place}", example=0.0, missing="accept") for place in range(4)),
    Number(name="x4", example=0, integer=True, minimum=0, maximum=9, missing="accept"),
)
_CODES_PLACE = 4


def _classes(**parameters: Any) -> Callable[[], Any]:
    return lambda: xgboost.XGBClassifier(**{"max_depth": 4, **_FEW, **parameters})


def _numbers(**parameters: Any) -> Callable[[], Any]:
    return lambda: xgboost.XGBRegressor(**{"max_depth": 4, **_FEW, **parameters})


def _light_classes(**parameters: Any) -> Callable[[], Any]:
    return lambda: lightgbm.LGBMClassifier(**{**_LEAVES, **parameters})


def _light_numbers(**parameters: Any) -> Callable[[], Any]:
    return lambda: lightgbm.LGBMRegressor(**{**_LEAVES, **parameters})


_BAGGED = {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1}
_CODES = {"categorical_feature": [4], "min_data_per_group": 5, "cat_smooth": 1}
_TYPES: dict[str, Any] = {"enable_categorical": True, "feature_types": [*"qqqqc"]}
_STOPS: dict[str, Any] = {"early_stopping_rounds": 1, "learning_rate": 1.5, "n_estimators": 40}

#: By the name of a case: how the estimator is made, and the target. A star: tried every day.
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "*xgboost, two": (_classes(), "two"),
    "xgboost, from a base": (_classes(base_score=0.3), "two"),
    "xgboost, three": (_classes(), "three"),
    "xgboost, softmax": (_classes(objective="multi:softmax"), "three"),
    "xgboost, squares": (_numbers(), "number"),
    "xgboost, leaves": (
        _numbers(grow_policy="lossguide", max_leaves=9, max_depth=0), "number"
    ),
    "xgboost, pruned": (_numbers(tree_method="exact", gamma=2.0), "number"),
    "xgboost, absolute": (_numbers(objective="reg:absoluteerror"), "number"),
    "xgboost, huber": (_numbers(objective="reg:pseudohubererror"), "number"),
    "xgboost, logarithm": (_numbers(objective="reg:squaredlogerror"), "number"),
    "xgboost, quantile": (
        _numbers(objective="reg:quantileerror", quantile_alpha=0.7), "number"
    ),
    "xgboost, poisson": (_numbers(objective="count:poisson"), "number"),
    "xgboost, gamma": (_numbers(objective="reg:gamma"), "number"),
    "xgboost, tweedie": (_numbers(objective="reg:tweedie"), "number"),
    "xgboost, shares": (_numbers(objective="reg:logistic"), "two"),
    "xgboost, forests": (_classes(num_parallel_tree=3, subsample=0.6, n_estimators=3), "three"),
    "xgboost, a forest": (lambda: xgboost.XGBRFRegressor(max_depth=4, **_FEW), "number"),
    "xgboost, categories": (_classes(**_TYPES), "three"),
    "xgboost, one category each": (_numbers(**_TYPES, max_cat_to_onehot=99), "number"),
    "xgboost, stopped": (_classes(**_STOPS), "three"),
    "*lightgbm, three": (_light_classes(n_estimators=5), "three"),
    "lightgbm, two": (_light_classes(), "two"),
    "lightgbm, sigmoid": (_light_classes(sigmoid=0.7), "two"),
    "lightgbm, one against others": (_light_classes(objective="ova", sigmoid=0.5), "three"),
    "lightgbm, shares": (_light_numbers(objective="cross_entropy"), "two"),
    "lightgbm, categories": (_light_numbers(**_CODES), "number"),
    "lightgbm, squares": (_light_numbers(), "number"),
    "lightgbm, absolute": (_light_numbers(objective="l1"), "number"),
    "lightgbm, huber": (_light_numbers(objective="huber"), "number"),
    "lightgbm, quantile": (_light_numbers(objective="quantile", alpha=0.7), "number"),
    "lightgbm, poisson": (_light_numbers(objective="poisson"), "number"),
    "lightgbm, gamma": (_light_numbers(objective="gamma"), "number"),
    "lightgbm, tweedie": (_light_numbers(objective="tweedie"), "number"),
    "lightgbm, gaps as 0": (_light_numbers(use_missing=False), "number"),
    "lightgbm, a mean": (_light_classes(**_BAGGED), "two"),
    "lightgbm, a mean of numbers": (_light_numbers(**_BAGGED), "number"),
    "lightgbm, dropped trees": (_light_numbers(boosting_type="dart"), "number"),
    "lightgbm, no split": (_light_numbers(min_child_samples=200), "number"),
    "lightgbm, stopped": (_light_classes(**_STOPS), "three"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("seed", "make", "target"),
    [
        pytest.param(
            seed, *case, id=name.lstrip("*"), marks=() if name[0] == "*" else pytest.mark.slow
        )
        for seed, (name, case) in enumerate(CASES.items())
    ],
)
def test_boosters_of_random_tables_have_the_bits_of_their_own_margins(
    seed: int, make: Callable[[], Any], target: str
) -> None:
    draw = np.random.default_rng(seed)
    columns, targets = _random_table(draw)
    estimator, table = make(), frame(columns, NUMBERS)
    stops = {"eval_set": [(table[::2], targets[target][::-2])]}  # it soon gets worse on these
    is_stopped = bool(estimator.get_params().get("early_stopping_rounds"))
    estimator.fit(table, targets[target], **(stops if is_stopped else {}))

    _assert_equal(estimator, NUMBERS, _around_splits(estimator, columns, draw))


def test_no_number_is_less_than_a_split_at_minus_infinity() -> None:
    columns, targets = _random_table(np.random.default_rng(0))
    estimator = _numbers()().fit(frame(columns, NUMBERS), targets["number"])
    written = json.loads(estimator.get_booster().save_raw("json"))
    for tree in written["learner"]["gradient_booster"]["model"]["trees"]:
        tree["split_conditions"][0] = -np.inf
        tree["split_indices"][0] = 0
    estimator.get_booster().load_model(bytearray(json.dumps(written), "utf-8"))
    rows = {name: column[:4].copy() for name, column in columns.items()}
    rows["x0"][:] = [-1e300, -1.0, 1e300, np.nan]
    _assert_equal(estimator, NUMBERS, rows)


def _one_hot() -> Any:
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return words_and(numbers, OneHotEncoder(handle_unknown="ignore", sparse_output=False))


@pytest.mark.parametrize(
    ("prepare", "make"),
    [
        pytest.param(lambda: words_and("passthrough", numbered()), _classes(), id="xgboost"),
        pytest.param(_one_hot, _light_classes(), marks=pytest.mark.slow, id="lightgbm"),
    ],
)
def test_boosters_behind_a_preparation_have_the_bits_of_their_own_margins(
    prepare: Callable[[], Any], make: Callable[[], Any]
) -> None:
    pipeline = fit(make_pipeline(prepare(), make()), "two")

    splits = pd.DataFrame(_splits(pipeline[-1])).drop_duplicates().iloc[::4]
    group = Splits(
        pipeline[:-1].transform, splits[0].to_numpy(np.intp), splits[1].to_numpy(),
        _is_single(pipeline[-1]),
    )  # fmt: skip
    _assert_equal(pipeline, FIELDS, hard_rows(pipeline, [group]))


@pytest.mark.slow
def test_averages_and_targets_of_boosters_are_evaluated_within_rounding() -> None:
    columns, targets = _random_table(np.random.default_rng(0))
    table, single = frame(columns, NUMBERS), _numbers()()
    for estimator in (
        VotingRegressor([("single", single), ("double", _light_numbers()())]),
        VotingRegressor([("single", single), ("other", _numbers(max_depth=2)())]),
        BaggingRegressor(single, 3),
        TransformedTargetRegressor(single, func=np.log1p, inverse_func=np.expm1),
    ):
        estimator.fit(table, targets["number"])
        content = translate(estimator, NUMBERS)
        assert not has_equal_bits(content)
        np.testing.assert_allclose(*_answers(estimator, content, NUMBERS, columns), rtol=1e-6)


def test_words_are_the_classes_of_xgboost_in_a_vote() -> None:
    columns, targets = _random_table(np.random.default_rng(0))
    words = np.array(["low", "middle", "up"], object)[targets["three"]]
    vote = VotingClassifier([("xgboost", _classes()())], voting="soft")
    vote.fit(frame(columns, NUMBERS), words)
    exact, expected = _answers(vote, translate(vote, NUMBERS), NUMBERS, columns)
    np.testing.assert_allclose(exact, expected, rtol=1e-6)


def _assert_equal(pipeline: Any, fields: Any, columns: Any) -> None:
    """Compare, by their bits, the margins of a pipeline as it is stored, and its answers."""
    stored = load_pipeline(dump_pipeline(served(pipeline).pipeline), model="toy")
    content = translate(stored, fields)
    table = frame(columns, fields)
    seen = pipeline[:-1].transform(table) if hasattr(pipeline, "steps") else table
    estimator = pipeline[-1] if hasattr(pipeline, "steps") else pipeline
    option = "output_margin" if _is_single(estimator) else "raw_score"

    assert same_bits(_margins(content, fields, columns), estimator.predict(seen, **{option: True}))
    exact, expected = _answers(pipeline, content, fields, columns)
    # exp is the C library's on both sides, or NumPy's in single precision.
    epsilon = float(np.finfo(np.float32 if _is_single(estimator) else np.float64).eps)
    np.testing.assert_allclose(exact, expected, rtol=8 * epsilon, atol=epsilon)


def _is_single(estimator: Any) -> bool:
    return type(estimator).__module__.startswith("xgboost")


def _answers(pipeline: Any, content: bytes, fields: Any, columns: Any) -> tuple[Any, Any]:
    """Return the answers of the exact runtime, a row alone as in a batch, and of a pipeline."""
    has_probabilities = hasattr(pipeline, "predict_proba")
    runtime = ExactRuntime(content, fields, has_probabilities=has_probabilities)
    rows = [columns, {name: values[-1:] for name, values in columns.items()}]
    native = NativeRuntime(pipeline, fields)
    outputs = [runtime.run(rows[0]), runtime.run(rows[1]), native.run(rows[0])]
    exact, alone, expected = (
        part.probabilities if has_probabilities else part.values for part in outputs
    )
    assert same_bits(alone, exact[-1:])
    return exact, expected


def _margins(content: bytes, fields: Any, columns: Any) -> Any:
    """Return the sums of a file's only member, without its division and its link."""
    file = bytearray(content)
    header = np.frombuffer(file, HEADER, 1)[0]
    slots, tables, sets = header["counts"][1:4]
    at = HEADER.itemsize + SLOT.itemsize * int(slots) + 8 * int(tables + sets)
    (member,) = np.frombuffer(file, MEMBER, 1, at)
    member["link"], member["divisor"], member["n_outputs"] = Link.NONE, 1.0, member["width"]
    header["counts"][9] = member["width"]
    classes = list(range(member["width"]))
    runtime = ExactRuntime(bytes(file), fields, has_probabilities=False, classes=classes)
    return runtime.margins(columns)


def _random_table(draw: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw columns of all kinds of numbers, with gaps in most, and targets that depend on them."""
    hidden = draw.normal(size=_ROWS)
    columns = [
        hidden + draw.normal(size=_ROWS),
        draw.integers(0, 9, _ROWS) * 1.0,
        np.exp(30 * draw.normal(size=_ROWS)).clip(0, 1e37) * draw.choice([-1.0, 1.0], _ROWS),
        np.where(draw.random(_ROWS) < 0.6, draw.choice([0.0, -0.0], _ROWS), hidden),
        draw.integers(0, 7, _ROWS) + 1.0 * (hidden > 0.0),
    ]
    for column in columns[1:]:
        column[draw.random(_ROWS) < 0.15] = np.nan
    levels = np.digitize(hidden + 0.3 * draw.normal(size=_ROWS), [-0.5, 0.6])
    return (
        {field.name: column for field, column in zip(NUMBERS, columns, strict=True)},
        {"two": levels > 0, "three": levels, "number": np.exp(hidden)},
    )


def _splits(estimator: Any) -> Any:
    """Return the columns and thresholds that the booster itself lists, of shape (n, 2)."""
    if _is_single(estimator):
        table = estimator.get_booster().trees_to_dataframe()
        table = table[table["Feature"] != "Leaf"]
        names, numbers = table["Feature"], table["Split"].to_numpy(np.float64)
    else:
        table = estimator.booster_.trees_to_dataframe().reindex(columns=_LISTED)
        table = table[table["decision_type"] == "<="]
        names, numbers = table["split_feature"], table["threshold"].to_numpy(np.float64)
    places = names.str.extract(r"(\d+)$")[0].to_numpy(np.float64)
    return np.stack([places, numbers], axis=1)


def _around_splits(estimator: Any, columns: Any, draw: np.random.Generator) -> dict[str, Any]:
    """Return the rows of a table, and others with numbers next to those at which trees split."""
    values = []
    for place, number in np.unique(_splits(estimator), axis=0):
        with np.errstate(over="ignore"):
            single = np.float32(number)
            below, above = np.nextafter(single, np.array([-np.inf, np.inf], np.float32))
        near = np.array([number, single, below, above, (below + number) / 2, (above + number) / 2])
        near = np.concatenate([near, np.nextafter(near, -np.inf), np.nextafter(near, np.inf)])
        values += [(int(place), value) for value in near if place != _CODES_PLACE]
    values = [(place, value) for place, value in values if not np.isinf(value)]
    values += [(_CODES_PLACE, code) for code in (*range(10), np.nan)]
    values += [
        (place, value) for place in range(_CODES_PLACE)
        for value in (np.nan, 0.0, -0.0, 5e-324, -1e-45, 1e-38, 2e-35, -2e-35, -1e300, 1e300)
    ]  # fmt: skip
    chosen = draw.integers(_ROWS, size=len(values))
    rows = {name: np.concatenate([column, column[chosen]]) for name, column in columns.items()}
    for row, (place, value) in enumerate(values):
        rows[f"x{place}"][_ROWS + row] = value
    return rows
