"""What cannot be evaluated exactly is refused, with the reason and a remedy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from engine.runtime.native import frame
from engine.training.exact.refusal import NotExact
from engine.training.exact.translation import translate
from tests.training.exact.fitted import COLUMNS, FIELDS, TARGETS, numbered, words_and


def _filled(*steps: Any) -> Any:
    return words_and(make_pipeline(SimpleImputer(), *steps))


def _forest(preparation: Any, *steps: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(preparation, *steps, RandomForestClassifier(2, random_state=0))


def _end(estimator: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(_filled(), estimator)


def _wave(table: Any) -> Any:
    return np.sin(table)


#: How the pipeline is made, its target, and the sentence.
CASES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "mixed fields": (
        _forest(_filled(), PCA(3)), "two",
        (r"PCA computes a column from several fields \(size, balance, rooms, kind, color\): leave "
        "it out"),
    ),
    "numbers out of order": (
        _forest(_filled(KBinsDiscretizer())), "two",
        ("KBinsDiscretizer does not keep the numbers of size in their order: scale it, bin it with "
        "encode='ordinal', or declare a category"),
    ),
    "numbers out of order in the last places": (
        _forest(_filled(QuantileTransformer(n_quantiles=50, output_distribution="normal"))), "two",
        "QuantileTransformer with a normal distribution does not keep close numbers in their order",
    ),
    "a function of its own": (
        _forest(
            ColumnTransformer(
                [("wave", FunctionTransformer(_wave, feature_names_out="one-to-one"), ["size"]),
                 ("words", numbered(), ["kind", "color"])]
            )
        ), "two",
        "FunctionTransformer does not keep the numbers of size in their order",
    ),
    "undefined for some numbers": (
        _forest(
            ColumnTransformer(
                [("root", FunctionTransformer(np.sqrt), ["balance"]),
                 ("words", numbered(), ["kind", "color"])], sparse_threshold=0,
            )
        ), "two",
        ("FunctionTransformer does not keep all numbers of balance in their order: leave it out, "
        "trees do not need it, or narrow the range of the field"),
    ),
    "no multiple": (
        lambda: make_pipeline(_filled(PowerTransformer()), Ridge()), "number",
        "PowerTransformer makes of size no multiple of it, which a linear model would add up",
    ),
    "another estimator": (
        _end(AdaBoostClassifier(n_estimators=2)), "two",
        "AdaBoostClassifier is not evaluated as it is fitted: use trees, boosting",
    ),
    "boosting from a model": (
        _end(GradientBoostingRegressor(init=LinearRegression(), n_estimators=2)), "number",
        "GradientBoostingRegressor starts from LinearRegression: leave init out",
    ),
    "counted votes": (
        _end(VotingClassifier([("logit", LogisticRegression())])), "two",
        "VotingClassifier counts labels: use voting='soft'",
    ),
    "counted labels": (
        _end(BaggingClassifier(LinearSVC(), n_estimators=2)), "two",
        "BaggingClassifier counts labels: bag estimators with probabilities",
    ),
    "other probabilities": (
        _end(SGDClassifier(loss="modified_huber", random_state=0)), "two",
        r"the probabilities of SGDClassifier\(loss='modified_huber'\) are not evaluated",
    ),
    "another target": (
        _end(TransformedTargetRegressor(Ridge(), transformer=StandardScaler())), "number",
        "TransformedTargetRegressor turns its answers back by something else than numpy.exp",
    ),
    "two functions of the sum": (
        lambda: TransformedTargetRegressor(
            make_pipeline(
                words_and("passthrough", numbered()),
                HistGradientBoostingRegressor(loss="poisson", max_iter=2),
            ),
            func=np.log1p, inverse_func=np.expm1,
        ), "number",
        "two functions, one after the other, make its answers: leave one out",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "target", "reason"), CASES.values(), ids=CASES)
def test_pipeline_when_it_is_not_evaluated_exactly_is_refused_with_a_remedy(
    make: Callable[[], Any], target: str, reason: str
) -> None:
    fitted = make().fit(frame(COLUMNS, FIELDS), TARGETS[target])

    with pytest.raises(NotExact, match=reason):
        translate(fitted, FIELDS)
