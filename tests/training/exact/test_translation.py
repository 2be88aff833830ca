"""A translated pipeline answers as the fitted one does: trees by bits, sums within a bound."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OrdinalEncoder
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from engine.runtime.exact import ExactRuntime
from engine.runtime.native import NativeRuntime, frame
from engine.training.exact.translation import translate
from tests.training.exact.fitted import (
    COLUMNS,
    FIELDS,
    NUMBERS,
    WORDS,
    numbered,
    run_trial,
    same_bits,
    words_and,
)

_SEED: dict[str, Any] = {"random_state": 0}
#: exp, and the division after it, are the C library's here and NumPy's there.
_EXP = 8 * np.finfo(np.float64).eps


def _after(preparation: Any, estimator: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(preparation, estimator)


def _filled(estimator: Any) -> Callable[[], Any]:
    return _after(words_and(SimpleImputer(), sparse_threshold=0.3), estimator)


def _gaps(estimator: Any) -> Callable[[], Any]:
    return _after(words_and("passthrough", numbered()), estimator)


_GRADIENT = {"n_estimators": 6, **_SEED}
_HISTOGRAM = {"max_iter": 5, **_SEED}
_FEW = {"n_estimators": 4, **_SEED}

#: By the name of a case: how its pipeline is made, and the target. Those that begin with a star
#: are tried every day.
BY_BITS: dict[str, tuple[Callable[[], Any], str]] = {
    "tree, two": (_gaps(DecisionTreeClassifier(**_SEED)), "two"),
    "tree, number": (_filled(DecisionTreeRegressor(**_SEED)), "number"),
    "one random tree": (_filled(ExtraTreeClassifier(**_SEED)), "three"),
    "one random tree, number": (_filled(ExtraTreeRegressor(**_SEED)), "number"),
    "forest, two": (_filled(RandomForestClassifier(**_FEW)), "two"),
    "*forest with gaps, three": (_gaps(RandomForestClassifier(**_FEW)), "three"),
    "forest, number": (_gaps(RandomForestRegressor(**_FEW)), "number"),
    "random trees": (_filled(ExtraTreesClassifier(**_FEW)), "three"),
    "random trees, number": (_filled(ExtraTreesRegressor(**_FEW)), "number"),
    "boosting, squares": (_filled(GradientBoostingRegressor(**_GRADIENT)), "number"),
    "boosting, absolute": (
        _filled(GradientBoostingRegressor(loss="absolute_error", **_GRADIENT)), "number"
    ),
    "*boosting, huber": (_filled(GradientBoostingRegressor(loss="huber", **_GRADIENT)), "number"),
    "boosting, quantile": (
        _filled(GradientBoostingRegressor(loss="quantile", **_GRADIENT)), "number"
    ),
    "boosting from zero": (_filled(GradientBoostingRegressor(init="zero", **_GRADIENT)), "number"),
    "boosting from a median": (
        _filled(GradientBoostingRegressor(init=DummyRegressor(strategy="median"), **_GRADIENT)),
        "number",
    ),
    "histograms, squares": (_gaps(HistGradientBoostingRegressor(**_HISTOGRAM)), "number"),
    "histograms, absolute": (
        _gaps(HistGradientBoostingRegressor(loss="absolute_error", **_HISTOGRAM)), "number"
    ),
    "histograms, quantile": (
        _gaps(HistGradientBoostingRegressor(loss="quantile", quantile=0.7, **_HISTOGRAM)),
        "number",
    ),
    "*histograms, own categories": (
        lambda: HistGradientBoostingRegressor(categorical_features=WORDS, **_HISTOGRAM), "number"
    ),
    "histograms, numbers as categories": (
        lambda: make_pipeline(
            words_and("passthrough", numbered()),
            HistGradientBoostingRegressor(categorical_features=[2, 3, 4, 5], **_HISTOGRAM),
        ),
        "number",
    ),
    "bagged trees": (_filled(BaggingClassifier(max_features=0.7, **_FEW)), "three"),
    "bagged trees, number": (_filled(BaggingRegressor(max_features=0.7, **_FEW)), "number"),
    "*bagged trees without some classes": (
        _filled(BaggingClassifier(max_samples=3, **_FEW)), "three"
    ),
    "bagged forests": (
        _filled(BaggingClassifier(RandomForestClassifier(3, **_SEED), **_FEW)), "three"
    ),
    "bagged pipelines": (
        _filled(
            BaggingRegressor(
                make_pipeline(MaxAbsScaler(), DecisionTreeRegressor(**_SEED)),
                max_features=0.8, **_FEW,
            )
        ),
        "number",
    ),
    "vote of trees": (
        lambda: VotingRegressor(
            [
                ("forest", _filled(RandomForestRegressor(**_FEW))()),
                ("histograms", _gaps(HistGradientBoostingRegressor(**_HISTOGRAM))()),
            ],
            weights=[2, 0.3],
        ),
        "number",
    ),
    "nothing before it": (
        lambda: make_pipeline(
            ColumnTransformer([("numbers", "passthrough", NUMBERS)]),
            RandomForestRegressor(**_FEW),
        ),
        "number",
    ),
}  # fmt: skip

#: The sums have the same bits, and exp comes after them.
BY_LINK: dict[str, tuple[Callable[[], Any], str]] = {
    "boosting, two": (_filled(GradientBoostingClassifier(**_GRADIENT)), "two"),
    "boosting, exponential": (
        _filled(GradientBoostingClassifier(loss="exponential", **_GRADIENT)), "two"
    ),
    "boosting, three": (_filled(GradientBoostingClassifier(**_GRADIENT)), "three"),
    "boosting from zero, three": (
        _filled(GradientBoostingClassifier(init="zero", **_GRADIENT)), "three"
    ),
    "histograms, two": (
        lambda: HistGradientBoostingClassifier(categorical_features=WORDS, **_HISTOGRAM), "two"
    ),
    "*histograms, three": (_gaps(HistGradientBoostingClassifier(**_HISTOGRAM)), "three"),
    "histograms, poisson": (
        _gaps(HistGradientBoostingRegressor(loss="poisson", **_HISTOGRAM)), "number"
    ),
    "histograms, gamma": (
        _gaps(HistGradientBoostingRegressor(loss="gamma", **_HISTOGRAM)), "number"
    ),
    "logarithm of the target": (
        lambda: TransformedTargetRegressor(
            _gaps(RandomForestRegressor(**_FEW))(), func=np.log, inverse_func=np.exp
        ),
        "number",
    ),
    "logarithm of the target and one": (
        _gaps(
            TransformedTargetRegressor(
                RandomForestRegressor(**_FEW), func=np.log1p, inverse_func=np.expm1
            )
        ),
        "number",
    ),
}  # fmt: skip


def _cases(table: dict[str, tuple[Callable[[], Any], str]]) -> list[Any]:
    return [
        pytest.param(*case, id=name.lstrip("*"), marks=() if name[0] == "*" else pytest.mark.slow)
        for name, case in table.items()
    ]


@pytest.mark.usefixtures("library")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "target"), _cases(BY_BITS))
def test_trees_when_translated_answer_with_the_same_bits(
    make: Callable[[], Any], target: str
) -> None:
    trial = run_trial(make(), target)

    assert np.isfinite(trial.expected).all()
    assert same_bits(trial.expected, trial.exact)


@pytest.mark.usefixtures("library")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "target"), _cases(BY_LINK))
def test_links_when_translated_answer_within_rounding_of_exp(
    make: Callable[[], Any], target: str
) -> None:
    trial = run_trial(make(), target)

    np.testing.assert_allclose(trial.exact, trial.expected, rtol=_EXP)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("words", [numbered(), OrdinalEncoder(categories=[[*FIELDS[3].words]])])
def test_code_that_no_training_row_had_goes_where_a_gap_goes(
    library: None, words: Any, sign: float
) -> None:
    codes = ColumnTransformer([("rooms", "passthrough", ["rooms"]), ("kind", words, ["kind"])])
    boosting = HistGradientBoostingRegressor(max_iter=2, categorical_features=[0, 1], **_SEED)
    rooms, kind = COLUMNS["rooms"], COLUMNS["kind"]
    target = sign * (np.isin(rooms, [1, 3, 5]) | np.isnan(rooms)) + np.isin(kind, [*"abcdefghij"])
    fitted = make_pipeline(codes, boosting).fit(frame(COLUMNS, FIELDS), target)
    rows = {name: np.repeat(values[:1], 60) for name, values in COLUMNS.items()}
    rows["rooms"] = np.tile([np.nan, 0, *range(9, 21), *range(1, 9), *[2.0] * 8], 2)
    rows["kind"] = np.array([*"a" * 30, *"zyxwvu" * 5], object)  # no row has u to z

    exact = ExactRuntime(translate(fitted, FIELDS), FIELDS, has_probabilities=False).run(rows)

    assert {exact.values[0]} == {*exact.values[:14]} != {exact.values[15]}
    assert same_bits(NativeRuntime(fitted, FIELDS).run(rows).values, exact.values)
