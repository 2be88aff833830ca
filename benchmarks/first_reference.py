"""The reference beside a first model: tuned histogram boosting, on the same rows.

python -m benchmarks.first_reference iris     prints its score on the held-out rows
"""

import sys
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, mean_squared_error, roc_auc_score
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import models
from engine.training.train import read_rows, split_table

#: What is searched, of up to `_MOST_ROWS` training rows; fewer settings of a large table.
_SETTINGS = {
    "model__learning_rate": [0.03, 0.1, 0.2], "model__max_iter": [50, 100, 200],
    "model__max_leaf_nodes": [4, 8, 16, 31], "model__min_samples_leaf": [5, 10, 20, 50],
    "model__l2_regularization": [0.0, 1.0, 10.0],
}  # fmt: skip
_MOST_ROWS, _LARGE = 20_000, 100_000


def main(name: str) -> None:
    """Tune, fit and score the reference of a model that has a file."""
    definition = models.find(name)
    table, X, y, *_rest = read_rows(name, definition, definition.sample, lambda text: None)
    split, *_ = split_table(definition, table, X, y, lambda text: None)
    train, held_out = split.train, split.held_out
    words = [column for column in X if X[column].dtype == object]
    numbers = [column for column in X if column not in words]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = ColumnTransformer([("words", encoder, words), ("numbers", "passthrough", numbers)])
    is_regression = definition.schema.task == "regression"
    kind = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    pipeline = make_pipeline(prepare, kind(random_state=0))
    pipeline.steps[-1] = ("model", pipeline.steps[-1][1])
    size = X.size * (1 if is_regression or y.nunique() == 2 else y.nunique())
    scoring = "neg_root_mean_squared_error" if is_regression else "neg_log_loss"
    search = RandomizedSearchCV(
        pipeline, _SETTINGS, n_iter=6 if size < _LARGE else 3, cv=3, scoring=scoring,
        random_state=0,
    )  # fmt: skip
    few = np.random.default_rng(0).permutation(train)[:_MOST_ROWS]
    chosen = search.fit(X.iloc[few], y.iloc[few]).best_params_
    fitted = pipeline.set_params(**chosen).fit(X.iloc[train], y.iloc[train])
    print(_score(definition.score, fitted, X.iloc[held_out], y.iloc[held_out]))


def _score(name: str, fitted: Any, X: pd.DataFrame, y: pd.Series) -> float:
    if name == "rmse":
        return float(mean_squared_error(y, fitted.predict(X)) ** 0.5)
    if name == "accuracy":
        return float(accuracy_score(y, fitted.predict(X)))
    probabilities = fitted.predict_proba(X)
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(y == fitted.classes_[1], probabilities[:, 1]))
    return float(roc_auc_score(y, probabilities, multi_class="ovr", labels=fitted.classes_))


if __name__ == "__main__":
    main(sys.argv[1])
