"""XGBoost and LightGBM, translated: the bits of their own margins, and their probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler

from engine.runtime.exact import ExactRuntime
from engine.runtime.native import NativeRuntime, frame
from engine.training.exact.exact_file import HEADER, MEMBER, SLOT, Link
from engine.training.exact.translation import translate
from engine.training.export.thresholds import Splits
from tests.training.exact.fitted import (
    FIELDS,
    TARGETS,
    fit,
    hard_rows,
    numbered,
    same_bits,
    words_and,
)

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

_FEW: dict[str, Any] = {"n_estimators": 8, "random_state": 0, "n_jobs": 1}
_LEAVES: dict[str, Any] = {"num_leaves": 8, "min_child_samples": 5, "verbose": -1, **_FEW}
TARGETS["codes"] = LabelEncoder().fit_transform(TARGETS["three"])


def _classes(**parameters: Any) -> Any:
    return xgboost.XGBClassifier(**{"max_depth": 4, **_FEW, **parameters})


def _numbers(**parameters: Any) -> Any:
    return xgboost.XGBRegressor(**{"max_depth": 4, **_FEW, **parameters})


def _light_classes(**parameters: Any) -> Any:
    return lightgbm.LGBMClassifier(**{**_LEAVES, **parameters})


def _light_numbers(**parameters: Any) -> Any:
    return lightgbm.LGBMRegressor(**{**_LEAVES, **parameters})


def _gaps() -> Any:
    return words_and("passthrough", numbered())


def _scaled() -> Any:
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return words_and(make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), words)


_BAGGED = {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1}
_CODES = {"categorical_feature": [2, 3, 4, 5], "min_data_per_group": 5, "cat_smooth": 1}

#: By name: the preparation, the estimator, the target. A star: tried every day.
CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "*xgboost, two": (_gaps, _classes, "two"),
    "xgboost, two, scaled": (_scaled, _classes, "two"),
    "xgboost, two, from a base": (_gaps, lambda: _classes(base_score=0.3), "two"),
    "xgboost, three": (_gaps, lambda: _classes(n_estimators=5), "codes"),
    "xgboost, three, softmax": (_scaled, lambda: _classes(objective="multi:softmax"), "codes"),
    "xgboost, squares": (_gaps, _numbers, "number"),
    "xgboost, squares, leaves first": (
        _scaled, lambda: _numbers(grow_policy="lossguide", max_leaves=9, max_depth=0), "number"
    ),
    "xgboost, exact": (_gaps, lambda: _numbers(tree_method="exact", gamma=0.5), "number"),
    "xgboost, absolute": (_gaps, lambda: _numbers(objective="reg:absoluteerror"), "number"),
    "xgboost, quantile": (
        _gaps, lambda: _numbers(objective="reg:quantileerror", quantile_alpha=0.7), "number"
    ),
    "xgboost, poisson": (_scaled, lambda: _numbers(objective="count:poisson"), "number"),
    "xgboost, gamma": (_gaps, lambda: _numbers(objective="reg:gamma"), "number"),
    "xgboost, tweedie": (_gaps, lambda: _numbers(objective="reg:tweedie"), "number"),
    "xgboost, shares": (_gaps, lambda: _numbers(objective="reg:logistic"), "two"),
    "xgboost, forests": (
        _gaps, lambda: _classes(num_parallel_tree=3, subsample=0.6, n_estimators=3), "codes"
    ),
    "xgboost, a forest": (
        _gaps, lambda: xgboost.XGBRFRegressor(max_depth=4, **_FEW), "number"
    ),
    "*lightgbm, three": (_gaps, lambda: _light_classes(n_estimators=5), "three"),
    "lightgbm, two": (_gaps, _light_classes, "two"),
    "lightgbm, two, scaled": (_scaled, _light_classes, "two"),
    "lightgbm, one against others": (
        _gaps, lambda: _light_classes(objective="multiclassova", sigmoid=0.5), "three"
    ),
    "lightgbm, categories": (_gaps, lambda: _light_numbers(**_CODES), "number"),
    "lightgbm, squares": (_scaled, _light_numbers, "number"),
    "lightgbm, absolute": (_gaps, lambda: _light_numbers(objective="l1"), "number"),
    "lightgbm, huber": (_gaps, lambda: _light_numbers(objective="huber"), "number"),
    "lightgbm, quantile": (
        _gaps, lambda: _light_numbers(objective="quantile", alpha=0.7), "number"
    ),
    "lightgbm, poisson": (_gaps, lambda: _light_numbers(objective="poisson"), "number"),
    "lightgbm, gamma": (_gaps, lambda: _light_numbers(objective="gamma"), "number"),
    "lightgbm, tweedie": (_gaps, lambda: _light_numbers(objective="tweedie"), "number"),
    "lightgbm, no gaps": (_gaps, lambda: _light_numbers(use_missing=False), "number"),
    "lightgbm, a mean": (_gaps, lambda: _light_classes(**_BAGGED), "two"),
    "lightgbm, a mean of numbers": (_gaps, lambda: _light_numbers(**_BAGGED), "number"),
    "lightgbm, dropped trees": (_gaps, lambda: _light_numbers(boosting_type="dart"), "number"),
    "lightgbm, no split": (_gaps, lambda: _light_numbers(min_child_samples=200), "number"),
}  # fmt: skip


@pytest.mark.usefixtures("library")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("prepare", "make", "target"),
    [
        pytest.param(*case, id=name.lstrip("*"), marks=() if name[0] == "*" else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
def test_boosters_when_translated_have_the_bits_of_their_own_margins(
    prepare: Callable[[], Any], make: Callable[[], Any], target: str
) -> None:
    pipeline = fit(make_pipeline(prepare(), make()), target)
    content = translate(pipeline, FIELDS)
    columns = _hard_rows(pipeline)
    seen = pipeline[:-1].transform(frame(columns, FIELDS))
    is_single = type(pipeline[-1]).__module__.startswith("xgboost")
    margins = pipeline[-1].predict(seen, **{"output_margin" if is_single else "raw_score": True})

    assert same_bits(_margins(content, columns), margins)
    exact, expected = _answers(pipeline, content, columns)
    # exp is the C library's in all three; where a processor has another one, its last bit may be.
    epsilon = float(np.finfo(np.float32 if is_single else np.float64).eps)
    np.testing.assert_allclose(exact, expected, rtol=4 * epsilon, atol=4 * epsilon)


def _answers(pipeline: Any, content: bytes, columns: Any) -> tuple[Any, Any]:
    """Return the answers of the exact runtime and of the pipeline, each row alone as in a batch."""
    has_probabilities = hasattr(pipeline, "predict_proba")
    runtime = ExactRuntime(content, FIELDS, has_probabilities=has_probabilities)
    both = [part.run(columns) for part in (runtime, NativeRuntime(pipeline, FIELDS))]
    exact, expected = (part.probabilities if has_probabilities else part.values for part in both)
    alone = runtime.run({name: values[-1:] for name, values in columns.items()})
    assert same_bits(alone.probabilities if has_probabilities else alone.values, exact[-1:])
    return exact, expected


def _margins(content: bytes, columns: Any) -> Any:
    """Return the sums of a file's only member, without its link and division."""
    file = bytearray(content)
    header = np.frombuffer(file, HEADER, 1)[0]
    slots, tables, sets = header["counts"][1:4]
    at = HEADER.itemsize + SLOT.itemsize * slots + 8 * (tables + sets)
    member = np.frombuffer(file, MEMBER, 1, int(at))
    member["link"], member["divisor"], member["n_outputs"] = Link.NONE, 1.0, member["width"]
    header["counts"][9] = member["width"][0]
    return ExactRuntime(
        bytes(file), FIELDS, has_probabilities=False, classes=list(range(member["width"][0]))
    ).margins(columns)


def _hard_rows(pipeline: Any) -> Any:
    """Return hard rows, with those on both sides of the splits that the booster itself lists."""
    booster = getattr(pipeline[-1], "booster_", None)
    table = (booster or pipeline[-1].get_booster()).trees_to_dataframe()
    feature, threshold = ("Feature", "Split") if booster is None else ("split_feature", "threshold")
    if not len(table) or not table[threshold].notna().any():
        return hard_rows(pipeline, [])
    numbers = pd.to_numeric(table[threshold], errors="coerce").to_numpy(np.float64)
    is_number = np.isfinite(numbers)  # neither a leaf nor categories
    places = table[feature][is_number].str.extract(r"(\d+)$")[0].to_numpy(np.intp)
    numbers = numbers[is_number]
    if booster is None:  # less than a single is at most the one before
        numbers = np.nextafter(numbers.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    step = len(places) // 60 + 1
    group = Splits(pipeline[:-1].transform, places[::step], numbers[::step], booster is None)
    return hard_rows(pipeline, [group])
