"""Converting in a process of its own, and what is said when it cannot serve."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler
from skops.io import dumps

from engine.runtime.native import NativeRuntime
from engine.schema import Number
from engine.training.card import describe
from engine.training.export.export import Export, convert, export
from engine.training.export.runtime_choice import PipelineRejectsRecord, choose_runtime
from tests.support.estimators import FIELDS, prepare
from tests.support.trials import convert_here, fit


def test_export_when_the_time_is_up_is_given_up() -> None:
    scaler = QuantileTransformer(n_quantiles=100)
    _, pipeline, _ = fit(LogisticRegression(), prepare(before=(scaler,)))

    exported = export(dumps(pipeline), FIELDS, model="toy", time_limit=0.05)

    assert Export(None) == exported


@pytest.mark.parametrize("estimator", [KNeighborsClassifier(), KNeighborsRegressor()])
def test_export_when_it_would_take_the_nearest_rows_is_refused(estimator: Any) -> None:
    fields = (Number(name="first", example=1.0), Number(name="second", example=1.0))
    rows = np.random.default_rng(0).integers(0, 9, (100, 2)).astype(float)
    table = pd.DataFrame(rows, columns=["first", "second"])
    pipeline = make_pipeline(StandardScaler(), estimator).fit(table, rows.sum(axis=1) > 8)

    with pytest.raises(NotImplementedError, match="equally near"):
        convert(pipeline, fields)


@pytest.mark.slow
def test_export_when_in_its_own_process_gives_the_same_bytes_as_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    _, pipeline, _ = fit(RandomForestClassifier(5, random_state=0), prepare())
    stored = dumps(pipeline)

    once = export(stored, FIELDS, model="toy")
    again = export(stored, FIELDS, model="toy")

    assert once.content is not None
    assert once == again


def test_choice_when_the_pipeline_refuses_an_allowed_word_says_so() -> None:
    definition, pipeline, X = fit(LogisticRegression(), prepare(OneHotEncoder()))
    card = describe("toy", definition, pipeline, data=definition.sample)
    columns = {str(name): X[name].tolist() for name in X.columns}

    with pytest.raises(PipelineRejectsRecord, match="rejects records that the schema accepts"):
        choose_runtime(definition, pipeline, columns, card, export=convert_here)


def test_choice_when_xgboost_refuses_a_record_leaves_out_the_addresses_of_its_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> Any:
        raise ValueError("[13:18:47] data.cc:1196: too large\nStack trace:\n  [bt] (0) xgboost.so")

    definition, pipeline, X = fit(LogisticRegression(), prepare())
    card = describe("toy", definition, pipeline, data=definition.sample)
    columns = {str(name): X[name].tolist() for name in X.columns}
    monkeypatch.setattr(NativeRuntime, "answer", refuse)

    with pytest.raises(PipelineRejectsRecord, match="too large; let it accept them"):
        choose_runtime(definition, pipeline, columns, card, export=convert_here)
