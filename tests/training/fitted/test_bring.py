"""From a file to an answer over HTTP, by the command that a person types."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import build_model
import test_model
from engine.cards.facts import facts
from engine.runtime.loading import as_card
from engine.training.fitted.bring import _decide
from engine.training.served_pipeline import served
from persistence.model_persistence import ModelStore
from tests.support.application import serve

ROWS = 120
DRAWS = np.random.default_rng(1)
TABLE = pd.DataFrame(
    {"Home type": DRAWS.choice(["rent", "own"], ROWS), "age": DRAWS.integers(18, 80, ROWS)}
)
LABELS = np.where(TABLE["age"] + DRAWS.normal(0, 15, ROWS) > 45, "good", "bad")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("MODEL_STORE", str(tmp_path / "artifacts"))
    return ModelStore(tmp_path / "artifacts")


def run(*words: Any) -> int:
    return build_model.main([str(word) for word in words])


def ask(store: ModelStore, name: str, records: Any) -> Any:
    response = serve(store, name).test_client().post("/v0/predict", json=records)
    assert 200 == response.status_code, response.text
    return response.json


@pytest.mark.slow
def test_pipeline_over_words_when_imported_answers_over_http_as_it_does_itself(
    store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare = ColumnTransformer(
        [("words", OneHotEncoder(), ["Home type"])], remainder="passthrough"
    )
    model = make_pipeline(prepare, LogisticRegression(max_iter=1000)).fit(TABLE, LABELS)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    TABLE.assign(note="x", status=LABELS).to_csv(tmp_path / "sample.csv", index=False)
    words = ("brought", "--import", tmp_path / "model.pkl", "--data", tmp_path / "sample.csv",
             "--target", "status")  # fmt: skip

    assert (1, 0) == (run(*words), run(*words, "--trust"))
    record = {"Home type": "own", "age": 50}
    answer = ask(store, "brought", record)["prediction"]

    expected = model.predict_proba(pd.DataFrame([record]))[0]
    assert model.predict(pd.DataFrame([record]))[0] == answer["value"]
    assert abs(expected.max() - answer["probability"]) < 1e-12
    card = as_card(store.read_card("brought"))
    assert ("exact", "model.pkl", 0, ROWS) == (
        card["runtime"], card["imported"]["file"], card["data"]["training_rows"],
        card["data"]["held_out_rows"],
    )  # fmt: skip
    assert card["remarks"][0].startswith("the model was imported, and may have learnt from the row")
    assert facts(card)["model"].startswith("model.pkl (pickle), sha256 ")
    assert f"sample.csv: {ROWS} rows, by which an imported model was checked" == facts(card)["data"]
    files = store.files(card)
    assert "## Scores on the sample" in (files / "model-card.md").read_text()
    assert "<h2>Scores on the sample</h2>" in (files / "report.html").read_text()
    capsys.readouterr()
    assert (True, 1) == (test_model.check("brought"), run("brought"))
    printed = capsys.readouterr()
    assert "no models/brought.py, since the model was imported from model.pkl" in printed.out
    assert "brought was imported from model.pkl: import a newer" in printed.err


@pytest.mark.slow
def test_boosters_when_imported_need_no_trust_and_answer_by_the_library(
    store: ModelStore, tmp_path: Path
) -> None:
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    numbers = TABLE[["age"]].assign(other=DRAWS.normal(size=ROWS))
    kinds = TABLE["age"] // 25
    numbers.assign(y=kinds).to_csv(tmp_path / "sample.csv", index=False)
    boosted = xgboost.train(
        {"objective": "multi:softprob", "num_class": 4}, xgboost.DMatrix(numbers, kinds), 5
    )
    boosted.save_model(tmp_path / "model.ubj")
    light = {"objective": "multiclass", "num_class": 4, "verbose": -1}
    lightgbm.train(light, lightgbm.Dataset(numbers, kinds), 5).save_model(tmp_path / "model.txt")
    lights = lightgbm.Booster(model_file=tmp_path / "model.txt").predict(numbers)
    boosters = {
        "xgb": ("model.ubj", boosted.predict(xgboost.DMatrix(numbers))),
        "light": ("model.txt", lights),
    }

    for name, (file, expected) in boosters.items():
        assert 0 == run(name, "--import", tmp_path / file, "--data", tmp_path / "sample.csv",
                        "--target", "y", "--importances", "off")  # fmt: skip
        answers = ask(store, name, numbers.head(20).to_dict("records"))["predictions"]
        found = [answer["probabilities"] for answer in answers]
        assert np.array_equal(expected[:20].astype(float), [[*each.values()] for each in found])


def test_import_when_the_words_do_not_suffice_is_refused_before_anything_is_opened(
    store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "sample.csv"
    TABLE.to_csv(table, index=False)

    assert 2 == run("toy", "--import", tmp_path / "model.pkl")
    assert 2 == run("Toy", "--import", tmp_path / "model.pkl", "--data", table)
    assert 1 == run("toy", "--import", tmp_path / "lost.pkl", "--data", table)
    starts = ("--import needs --data", "a model cannot be called 'Toy'", "there is no file")
    for line, start in zip(capsys.readouterr().err.splitlines(), starts, strict=True):
        assert line.startswith(f"build_model: {start}")


def test_class_when_probabilities_are_equal_is_that_of_the_model() -> None:
    kept = served(RandomForestClassifier(2, random_state=0).fit(TABLE[["age"]], LABELS))
    card: Any = {"has_probabilities": True, "positive": "good", "threshold": 0.5}
    shares = kept.pipeline.predict_proba(TABLE[["age"]])[:, 1]

    assert [] == _decide(card, kept, TABLE[["age"]])

    assert (shares == 0.5).any()
    is_good = kept.pipeline.predict(TABLE[["age"]]) == "good"
    assert is_good.tolist() == (shares >= card["threshold"]).tolist()


def test_model_whose_classes_are_not_by_its_probabilities_has_a_remark() -> None:
    class Contrary(LogisticRegression):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:
            return np.where(super().predict(X) == "good", "bad", "good")

    kept = served(Contrary().fit(TABLE[["age"]], LABELS))
    card: Any = {"has_probabilities": True, "positive": "good"}

    (remark,) = _decide(card, kept, TABLE[["age"]])

    assert f"in {ROWS} of {ROWS} rows" in remark
