"""No row that is held out is ever part of a fit, whatever is fitted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

from engine.schema import Category, Flag, ModelDefinition, Number
from engine.training.infer.candidates import candidates, choose
from engine.training.infer.draft import draft_model
from engine.training.infer.model_file import model_text
from engine.training.train import _fit, read_rows, split_table

#: These fit on what they are given; every pipeline begins with the first.
FITS = (
    (Pipeline, "fit"), (ColumnTransformer, "fit_transform"), (TargetEncoder, "fit_transform"),
    (GridSearchCV, "fit"), (RandomForestClassifier, "fit"),
)  # fmt: skip


def build_pipeline() -> Pipeline:
    encoded = ColumnTransformer([("words", TargetEncoder(cv=3), ["word"])], remainder="passthrough")
    search = GridSearchCV(RandomForestClassifier(3, random_state=0), {"max_depth": [1, 2]}, cv=2)
    return Pipeline([("encoded", encoded), ("search", search)])


def make_table(path: Path) -> None:
    """Write rows of which each has a mark of its own, on 75 days and of 75 people."""
    draw = np.random.default_rng(0)
    marks = draw.permutation(300) + 0.5
    table = pd.DataFrame({"mark": marks, "word": draw.choice(["a", "b", "c"], 300)})
    table["day"] = pd.date_range("2024-01-01", periods=300).astype(str)
    table["who"] = draw.integers(0, 75, 300)
    table["y"] = np.where(draw.random(300) < 0.2 + 0.4 * (table["word"] == "a"), "yes", "no")
    table.to_csv(path, index=False)


def definition_of(split: str, path: Path) -> ModelDefinition:
    return ModelDefinition(
        title="Canary", sample=path, load_data=pd.read_csv, build_pipeline=build_pipeline,
        fields=(
            Number(name="mark", example=1.5),
            Category(name="word", example="a", categories=("a", "b", "c")),
        ),
        target=Flag(name="y", example=True, synonyms={"yes": True, "no": False}),
        score="roc_auc", split=split, costs={"false_positive": 1, "false_negative": 3},
    )  # fmt: skip


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[float]:
    """The numbers of every table that is fitted on."""
    numbers: set[float] = set()

    def watched(fit: Callable[..., Any]) -> Callable[..., Any]:
        def fit_and_note(self: Any, X: Any, *arguments: Any, **more: Any) -> Any:
            frame = pd.DataFrame(X).select_dtypes("number")
            numbers.update(frame.to_numpy(float).ravel().tolist())
            return fit(self, X, *arguments, **more)

        return fit_and_note

    for owner, name in FITS:
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))
    return numbers


@pytest.mark.parametrize("split", ["digest", "time:day", "group:who"])
def test_row_when_it_is_held_out_is_in_no_fit(tmp_path: Path, seen: set[float], split: str) -> None:
    path = tmp_path / "table.csv"
    make_table(path)
    definition = definition_of(split, path)
    read = read_rows("canary", definition, path, lambda text: None)
    X = read.X
    rows, keys, _ = split_table(definition, read.table, X, read.y, lambda text: None)
    held_out = {*X["mark"].iloc[rows.held_out]}

    _, card = _fit("canary", definition, read, rows, keys, path, None, lambda text: None)

    assert {*X["mark"].iloc[rows.train]} <= seen
    assert not held_out & seen
    assert card["costs"]["rows"] > 100 and 0 < card["threshold"] < 0.5


def test_row_when_it_is_held_out_is_in_no_fit_of_a_candidate(
    tmp_path: Path, seen: set[float]
) -> None:
    path = tmp_path / "table.csv"
    make_table(path)
    draft = draft_model(str(path), "y", name="canary", sample="table.csv")
    listed = [each for each in candidates(draft) if each.family in ("linear", "lightgbm")]

    def text_of(candidate: Any) -> str:
        return model_text(draft, candidate)

    names: dict[str, Any] = {}
    exec(text_of(listed[0]), names)  # noqa: S102
    definition = names["definition"]
    table, X, y, *_rest = read_rows("canary", definition, path, lambda text: None)
    rows, _, _ = split_table(definition, table, X, y, lambda text: None)

    choose(path, listed, text_of, name="canary", seconds=60, say=lambda text: None)

    assert len({*X["mark"].iloc[rows.train]} & seen) > 150  # the last ones are judged on alone
    assert not {*X["mark"].iloc[rows.held_out]} & seen
