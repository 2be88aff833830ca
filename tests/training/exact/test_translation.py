"""A translated pipeline answers as the fitted one does: trees by bits, sums within a bound."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
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
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from tests.training.exact.fitted import NUMBERS, WORDS, numbered, run_trial, same_bits, words_and

_SEED: dict[str, Any] = {"random_state": 0}
#: exp, and the division after it, are the C library's here and NumPy's there.
_EXP = 8 * np.finfo(np.float64).eps


def _imputed(*steps: Any, **parameters: Any) -> Any:
    return make_pipeline(SimpleImputer(strategy="median", **parameters), *steps)


def _after(preparation: Any, estimator: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(preparation, estimator)


def _filled(estimator: Any) -> Callable[[], Any]:
    return _after(words_and(SimpleImputer(), sparse_threshold=0.3), estimator)


def _gaps(estimator: Any) -> Callable[[], Any]:
    return _after(words_and("passthrough", numbered()), estimator)


def _tree(preparation: Any) -> Callable[[], Any]:
    return _after(preparation, RandomForestClassifier(4, **_SEED))


_GRADIENT = {"n_estimators": 6, **_SEED}
_HISTOGRAM = {"max_iter": 5, **_SEED}
_FEW = {"n_estimators": 4, **_SEED}

#: By the name of a case: how its pipeline is made, and the target. Those that begin with a star
#: are tried every day.
BY_BITS: dict[str, tuple[Callable[[], Any], str]] = {
    "tree, two": (_gaps(DecisionTreeClassifier(**_SEED)), "two"),
    "*tree, number": (_filled(DecisionTreeRegressor(**_SEED)), "number"),
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
    "*vote of trees": (
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
    "standard": (_tree(words_and(_imputed(StandardScaler()))), "three"),
    "ranges": (_tree(words_and(_imputed(MinMaxScaler()))), "three"),
    "clipped ranges": (_tree(words_and(_imputed(MinMaxScaler(clip=True)))), "three"),
    "quartiles": (_tree(words_and(_imputed(RobustScaler()))), "three"),
    "scaled before it is imputed": (
        _tree(words_and(make_pipeline(MaxAbsScaler(), SimpleImputer()))), "three"
    ),
    "*indicators": (
        _tree(
            words_and(make_pipeline(StandardScaler(), SimpleImputer(add_indicator=True)))
        ),
        "three",
    ),
    "constant for gaps": (
        _tree(words_and(SimpleImputer(strategy="constant", fill_value=-1))), "three"
    ),
    "*powers": (_tree(words_and(_imputed(PowerTransformer()))), "three"),
    "quantiles": (_tree(words_and(_imputed(QuantileTransformer(n_quantiles=30)))), "three"),
    "bins": (_tree(words_and(_imputed(KBinsDiscretizer(encode="ordinal")))), "three"),
    "scaled gaps": (_tree(words_and(StandardScaler())), "three"),
    "unknown words are gaps": (_tree(words_and("passthrough", numbered(np.nan))), "three"),
    "one-hot, first dropped": (
        _tree(
            words_and(
                SimpleImputer(),
                OneHotEncoder(handle_unknown="ignore", drop="first", sparse_output=False),
            )
        ),
        "three",
    ),
    "*one-hot, rare words together": (
        _tree(
            words_and(
                SimpleImputer(),
                OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10),
                sparse_threshold=1,
            )
        ),
        "three",
    ),
    "one-hot numbers": (
        _tree(
            ColumnTransformer(
                [("codes", OneHotEncoder(handle_unknown="ignore"), ["rooms", "is_new", *WORDS])],
                remainder="passthrough", sparse_threshold=0,
            )
        ),
        "three",
    ),
    "*words by the target": (_tree(words_and(SimpleImputer(), TargetEncoder(**_SEED))), "three"),
    "words in components": (
        _tree(
            ColumnTransformer(
                [
                    ("kind", make_pipeline(OneHotEncoder(handle_unknown="ignore",
                                                         sparse_output=False), PCA(3)), ["kind"]),
                    ("numbers", "passthrough", NUMBERS),
                ]
            )
        ),
        "two",
    ),
    "imputed words": (
        _tree(
            words_and(
                SimpleImputer(),
                make_pipeline(
                    SimpleImputer(missing_values="__missing__", strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore"),
                ),
            )
        ),
        "three",
    ),
    "weighted parts": (
        _tree(words_and(SimpleImputer(), transformer_weights={"numbers": 3.0})), "three"
    ),
    "frames": (
        _tree(words_and(SimpleImputer(), numbered()).set_output(transform="pandas")), "three"
    ),
    "columns by type and place": (
        _tree(
            ColumnTransformer(
                [
                    ("numbers", SimpleImputer(), make_column_selector(dtype_include=np.number)),
                    ("color", OneHotEncoder(handle_unknown="ignore"), [4]),
                    ("kind", "drop", slice(3, 4)),
                ],
                verbose_feature_names_out=False,
            )
        ),
        "three",
    ),
    "parts side by side": (
        _tree(
            FeatureUnion(
                [
                    ("all", words_and(SimpleImputer())),
                    ("size", ColumnTransformer([("size", "passthrough", [0])])),
                ]
            )
        ),
        "three",
    ),
    "*best columns": (
        _tree(make_pipeline(words_and(_imputed()), VarianceThreshold(0.02), SelectKBest(k=6))),
        "three",
    ),
    "columns of a model": (
        _tree(
            make_pipeline(
                words_and(_imputed()), SelectFromModel(DecisionTreeClassifier(max_depth=3))
            )
        ),
        "two",
    ),
    "roots": (
        _tree(
            ColumnTransformer(
                [("root", FunctionTransformer(np.sqrt), ["size"]), ("words", numbered(), WORDS)],
                remainder=FunctionTransformer(np.arcsinh), sparse_threshold=0,
            )
        ),
        "three",
    ),
}  # fmt: skip

#: The sums have the same bits, and exp comes after them.
BY_LINK: dict[str, tuple[Callable[[], Any], str]] = {
    "boosting, two": (_filled(GradientBoostingClassifier(**_GRADIENT)), "two"),
    "*boosting, exponential": (
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
