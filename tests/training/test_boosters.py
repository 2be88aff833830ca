"""How models of XGBoost and LightGBM are fitted, kept and described."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import VotingClassifier

from engine.runtime import exact
from engine.runtime.exact_library import NoExactLibrary
from engine.runtime.loading import load_version
from engine.schema import Category, Flag
from engine.training.card import describe
from engine.training.evaluation.importances import impurity_importances
from engine.training.failures import TrainingFailed
from engine.training.fitting import fit
from engine.training.served_pipeline import served
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact
from tests.support.estimators import CASES
from tests.support.runtimes import needs_exact
from tests.support.trials import run_trial
from tests.training.test_fitting import CLASS, NUMBER, X, define, numbers

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

WORDS = Category(name="sold", categories=("no", "yes"), example="no")
SOLD = Flag(name="sold", example=True)
FEW: dict[str, Any] = {"n_estimators": 3, "random_state": 0}


def single() -> Any:
    return xgboost.XGBClassifier(**FEW)


def test_words_when_xgboost_is_to_predict_them_are_refused_with_a_way_that_does() -> None:
    words = pd.Series(np.where(CLASS, "yes", "no"), dtype=object)

    with pytest.raises(TrainingFailed) as refusal:
        fit("toy", define(lambda: numbers(single()), WORDS), X, words)
    vote = VotingClassifier([("xgboost", single())], voting="soft")
    kept = fit("toy", define(lambda: numbers(vote), WORDS), X, words)

    assert "XGBoost takes the classes 0, 1, 2 ... only: end the pipeline with Voting" in str(
        refusal.value
    )
    assert ["no", "yes"] == kept.pipeline.classes_.tolist()


def test_words_when_a_booster_is_given_them_are_refused_with_what_encodes_them() -> None:
    for make in (single, lambda: lightgbm.LGBMClassifier(**FEW)):
        with pytest.raises(TrainingFailed, match=r"takes numbers only: encode words before it"):
            fit("toy", define(make, SOLD), X, CLASS)


def test_flags_when_xgboost_predicts_them_are_the_classes_on_the_card() -> None:
    definition = define(lambda: numbers(single()), SOLD)
    kept = fit("toy", definition, X, CLASS)

    card = describe("toy", definition, kept.pipeline, data=Path(__file__))

    assert [False, True] == card["classes"]
    assert {bool} == {type(label) for label in card["classes"] or ()}
    assert card["positive"] is True
    assert (3, xgboost.__version__) == (card["trees"], card["libraries"]["xgboost"])
    assert "lightgbm" not in card["libraries"]


def test_lightgbm_when_it_is_fitted_prints_nothing_and_counts_no_splits(
    capfd: pytest.CaptureFixture[str],
) -> None:
    kept = fit("toy", define(lambda: numbers(lightgbm.LGBMRegressor(**FEW))), X, NUMBER)

    assert "" == capfd.readouterr().out
    assert {"size": 1.0} == {
        name.removeprefix("size__"): share
        for name, share in impurity_importances(kept.pipeline).items()
    }


def test_boosters_when_they_serve_predict_with_one_thread_and_as_before() -> None:
    table = X[["size"]]
    for booster in (single(), lightgbm.LGBMClassifier(**FEW, verbose=-1)):
        booster.fit(table, CLASS)

        kept = served(booster).pipeline

        assert 1 == kept.n_jobs
        assert booster.n_jobs is None
        assert np.array_equal(booster.predict_proba(table), kept.predict_proba(table))
        if hasattr(kept, "get_booster"):
            threads = [
                json.loads(one.get_booster().save_config())["learner"]["generic_param"]["nthread"]
                for one in (booster, kept)
            ]
            assert ["0", "1"] == threads


@needs_exact
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_version_of_xgboost_where_it_is_absent_is_served_by_the_library_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = (case for case in CASES if case.name == "XGBRegressor")
    trial, store = run_trial(case, "number"), ModelStore(tmp_path)
    store.promote("toy", store.write(trial.card, trial.files))
    monkeypatch.setitem(sys.modules, "xgboost", None)  # as if it were not installed

    assert load_version(store, "toy").self_test() is None

    def none() -> Any:
        raise NoExactLibrary("there is no library")

    monkeypatch.setattr(exact, "open_library", none)
    with pytest.raises(UntrustedArtifact, match="or install xgboost, so that its pipeline serves"):
        load_version(store, "toy")
    monkeypatch.undo()
    monkeypatch.setattr(exact, "open_library", none)
    assert load_version(store, "toy").self_test() is None
    monkeypatch.setattr(xgboost, "__version__", "9.0.0")
    with pytest.raises(UntrustedArtifact, match=r"was fitted with xgboost .*, here is 9\.0\.0"):
        load_version(store, "toy")
