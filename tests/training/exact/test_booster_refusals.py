"""What of XGBoost and LightGBM is not evaluated exactly is refused, with a remedy."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from engine.runtime.native import frame
from engine.training.exact.refusal import NotExact
from engine.training.exact.translation import translate
from tests.training.exact.fitted import COLUMNS, FIELDS, TARGETS, numbered, words_and

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")


def _single(**parameters: Any) -> Callable[[], Any]:
    return lambda: xgboost.XGBRegressor(**{"n_estimators": 2, "n_jobs": 1, **parameters})


def _double(**parameters: Any) -> Callable[[], Any]:
    return lambda: lightgbm.LGBMRegressor(**{"n_estimators": 2, "verbose": -1, **parameters})


def _squares(truth: Any, answers: Any) -> Any:
    return answers - truth, np.ones(len(truth))


def _gaps() -> Any:
    return words_and("passthrough", numbered())


def _words() -> Any:
    return words_and("passthrough", sparse_threshold=1.0)


CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "lines": (
        _gaps, _single(booster="gblinear"), "XGBRegressor has booster='gblinear': use booster="
    ),
    "dropped trees": (_gaps, _single(booster="dart"), "has booster='dart': use booster='gbtree'"),
    "*another gap": (_gaps, _single(missing=-1), "takes -1 for a gap: leave `missing` out"),
    "zeros as gaps": (
        _words, _single(), "takes each 0 of a sparse table for a gap: give OneHotEncoder sparse"
    ),
    "an objective": (
        _gaps, _single(objective="survival:cox"),
        "the objective survival:cox of XGBRegressor is not evaluated: use one of reg:squared"
    ),
    "an objective of one's own": (_gaps, _single(objective=_squares), "the objective _squares of"),
    "linear leaves": (_gaps, _double(linear_tree=True), "has linear models for leaves: leave lin"),
    "*0 for a gap": (
        _gaps, _double(zero_as_missing=True), "takes 0 for a gap: leave zero_as_missing out"
    ),
    "roots": (_gaps, _double(reg_sqrt=True), "the objective regression sqrt of LGBMRegressor is"),
    "another objective of one's own": (
        _gaps, _double(objective=_squares), "the objective _squares of"
    ),
    "*xgboost, leaves without end": (
        _gaps, _single(objective="count:poisson", max_delta_step=0, learning_rate=50.0),
        "not all leaves of its trees are finite numbers: lower its learning rate"
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("prepare", "make", "sentence"),
    [
        pytest.param(*case, id=name.lstrip("*"), marks=() if name[0] == "*" else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
def test_booster_that_is_not_evaluated_is_refused_in_a_sentence(
    prepare: Callable[[], Any], make: Callable[[], Any], sentence: str
) -> None:
    pipeline = make_pipeline(prepare(), make())
    pipeline.fit(frame(COLUMNS, FIELDS), TARGETS["number"])

    with pytest.raises(NotExact) as error:
        translate(pipeline, FIELDS)

    assert sentence in str(error.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (_single(enable_categorical=True), "name them in feature_types"),
        (_double(), "name their columns in categorical_feature"),
    ],
)
def test_booster_that_is_fitted_on_categories_of_pandas_is_refused(
    make: Callable[[], Any], remedy: str
) -> None:
    table = frame(COLUMNS, FIELDS).astype({"kind": "category", "color": "category"})
    booster = make().fit(table, TARGETS["number"])

    with pytest.raises(NotExact, match=f"is fitted on categories of pandas: .*{remedy}"):
        translate(booster, FIELDS)


def test_booster_of_a_version_that_writes_its_trees_otherwise_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    booster = _single()().fit(np.zeros((9, len(FIELDS))), np.arange(9))
    written = json.loads(booster.get_booster().save_raw("json"))
    del written["learner"]["gradient_booster"]["model"]["iteration_indptr"]
    monkeypatch.setattr(xgboost.Booster, "save_raw", lambda *_: json.dumps(written))

    with pytest.raises(NotExact, match="version that writes no 'iteration_indptr' of its trees"):
        translate(booster, FIELDS)
