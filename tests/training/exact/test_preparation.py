"""Trees behind every kind of preparation answer with the same bits as the fitted pipeline."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    RandomForestClassifier,
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
)

from engine.runtime.exact import ExactRuntime
from engine.runtime.native import NativeRuntime, frame
from engine.training.exact.translation import translate
from tests.training.exact.fitted import (
    COLUMNS,
    FIELDS,
    NUMBERS,
    TARGETS,
    WORDS,
    numbered,
    run_trial,
    same_bits,
    words_and,
)

_SEED: dict[str, Any] = {"random_state": 0}


def _imputed(*steps: Any, **parameters: Any) -> Any:
    return make_pipeline(SimpleImputer(strategy="median", **parameters), *steps)


def _tree(preparation: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(preparation, RandomForestClassifier(4, **_SEED))


#: By the name of a case: how its pipeline is made, and the target. Those that begin with a star
#: are tried every day.
CASES: dict[str, tuple[Callable[[], Any], str]] = {
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
    "powers": (_tree(words_and(_imputed(PowerTransformer()))), "three"),
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
    "words by the target": (_tree(words_and(SimpleImputer(), TargetEncoder(**_SEED))), "three"),
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
    "best columns": (
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


@pytest.mark.usefixtures("library")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "target"),
    [
        pytest.param(*case, id=name.lstrip("*"), marks=() if name[0] == "*" else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
def test_trees_when_prepared_answer_with_the_same_bits(
    make: Callable[[], Any], target: str
) -> None:
    trial = run_trial(make(), target, is_searched=True)

    assert np.isfinite(trial.expected).all()
    assert same_bits(trial.expected, trial.exact)


@pytest.mark.filterwarnings("ignore")
def test_trees_when_a_column_is_all_gaps_do_not_see_it(library: None) -> None:
    columns = COLUMNS | {"size": np.full(len(COLUMNS["size"]), np.nan)}
    pipeline = _tree(words_and(_imputed()))().fit(frame(columns, FIELDS), TARGETS["two"])
    runtime = ExactRuntime(translate(pipeline, FIELDS), FIELDS, has_probabilities=True)

    exact = runtime.run(COLUMNS).probabilities

    assert same_bits(NativeRuntime(pipeline, FIELDS).run(COLUMNS).probabilities, exact)
