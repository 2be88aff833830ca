"""The estimator of a first model is chosen by cross-validation on its training rows alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.schema import ModelDefinition
from engine.training.infer import candidates as module
from engine.training.infer.candidates import Candidate, Result, candidates, choose
from engine.training.infer.draft import draft_model
from engine.training.infer.model_file import model_text
from engine.training.split import _draws, folds


def definition_of(text: str) -> ModelDefinition:
    names: dict[str, ModelDefinition] = {}
    exec(text, names)  # noqa: S102
    return names["definition"]


def chosen_of(
    folder: Path, table: pd.DataFrame, family: str = "", seconds: float = 60.0
) -> tuple[Candidate, str]:
    path, lines = folder / "table.csv", list[str]()
    table.to_csv(path, index=False)
    draft = draft_model(str(path), "y", name="trial", sample="data/table.csv")
    listed = [each for each in candidates(draft, family=family) if each.family != "forest"]

    def text_of(candidate: Candidate) -> str:
        return model_text(draft, candidate)

    chosen, _ = choose(path, listed, text_of, name="trial", seconds=seconds, say=lines.append)
    return chosen, "\n".join(lines)


def make_table(rows: int = 200) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.normal(size=(rows, 3)).round(3), columns=["a", "b", "c"])
    return table.assign(y=(2 * table["a"] - table["b"] + draw.normal(0, 0.3, rows)).round(3))


def test_candidate_when_the_rows_lie_on_a_plane_is_linear(tmp_path: Path) -> None:
    chosen, lines = chosen_of(tmp_path, make_table())

    assert "linear" == chosen.family
    assert "chosen: a linear model" in lines and "boosted small trees" in lines


def test_candidate_when_time_is_short_is_left_out(tmp_path: Path) -> None:
    chosen, lines = chosen_of(tmp_path, make_table(), seconds=0.0)

    assert "linear" == chosen.family
    assert "boosted small trees" in lines.splitlines()[2] and "±" in lines.splitlines()[2]
    assert lines.count("left out: it would take") == lines.count("\n") - 3


@pytest.mark.parametrize(
    ("score", "others", "expected"),
    [
        (0.9, [(0.89, 0.02), (0.904, 0.02)], "a"),  # within 0.005 of the best
        (0.9, [(0.89, 0.02), (0.906, 0.02)], "c"),
        (0.9, [(0.89, 0.02), (0.904, 0.001)], "c"),  # further than a standard error
    ],
)
def test_candidate_when_it_is_as_good_and_cheaper_is_chosen(
    score: float, others: list[tuple[float, float]], expected: str
) -> None:
    results = [
        Result(Candidate("linear", title, "", ""), value, deviation, "")
        for title, (value, deviation) in zip("abc", [(score, 0.02), *others], strict=True)
    ]

    assert expected == module._cheapest(results, "roc_auc").title


def test_folds_when_rows_repeat_keep_them_together_and_share_classes() -> None:
    draw = np.random.default_rng(0)
    X = pd.DataFrame({"a": draw.integers(0, 40, 600), "b": draw.integers(0, 2, 600)})
    y = X["a"] % 10 == 0

    parts = folds(_draws(X, 0), y, count=4)

    assert list(range(600)) == sorted(row for _, judged in parts for row in judged)
    for fit, judged in parts:
        assert not {*map(tuple, X.iloc[fit].values)} & {*map(tuple, X.iloc[judged].values)}
        assert y.iloc[judged].mean() == pytest.approx(y.mean(), abs=0.05)


def test_candidates_when_a_target_is_skewed_have_its_logarithm(tmp_path: Path) -> None:
    table = make_table(300)
    table["y"] = np.exp(2 * table["y"]).round(6)
    table.to_csv(tmp_path / "t.csv", index=False)
    draft = draft_model(str(tmp_path / "t.csv"), "y", name="trial", sample="t.csv")

    texts = {each.described(): model_text(draft, each) for each in candidates(draft)}

    pipeline = definition_of(texts["boosted small trees of the logarithm"]).build_pipeline()
    assert "log1p" in str(pipeline) and "linear" not in str(pipeline)
    assert "log1p" not in texts["boosted small trees"]
    assert ["boosting"] * 3 == [each.family for each in candidates(draft, family="boosting")]


def test_xgboost_when_the_classes_are_words_is_written_so_that_they_are_numbered(
    tmp_path: Path,
) -> None:
    pytest.importorskip("xgboost")
    table = make_table()
    words = table.assign(y=np.where(table["y"] > 0, "above", "below"))
    words.to_csv(tmp_path / "table.csv", index=False)
    draft = draft_model(str(tmp_path / "table.csv"), "y", name="trial", sample="data/table.csv")
    (candidate,) = candidates(draft, family="xgboost")

    pipeline = definition_of(model_text(draft, candidate)).build_pipeline()

    X = table[["a", "b", "c"]]
    fitted = pipeline.set_params(model__xgboost__n_estimators=5).fit(X, words["y"])
    assert ["above", "below"] == fitted.classes_.tolist()
    assert fitted.score(X, words["y"]) > 0.8


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"customer_id": np.arange(200) % 40}, "group:customer_id"),
        ({"customer_id": np.arange(200)}, "digest"),
        ({"day": pd.date_range("2024-01-01", periods=200).astype(str)}, "time:day"),
        ({"day": pd.date_range("2024-01-01", periods=200).astype(str)[::-1]}, "digest"),
    ],
)
def test_split_when_the_table_suggests_one_is_proposed(
    tmp_path: Path, columns: dict[str, Any], expected: str
) -> None:
    make_table().assign(**columns).to_csv(tmp_path / "t.csv", index=False)

    draft = draft_model(str(tmp_path / "t.csv"), "y", name="trial", sample="t.csv")

    assert expected == draft.split
    assert expected == definition_of(model_text(draft, candidates(draft)[0])).split
    assert (expected != "digest") == any("held out" in note for note in draft.source.notes)


@pytest.mark.parametrize(
    ("words", "costs"),
    [
        (["yes", *["no"] * 9], {"false_positive": 1, "false_negative": 9}),
        (["no", *["yes"] * 9], {"false_positive": 9, "false_negative": 1}),
        (["no", "yes"], {}),
        (["red", *["blue"] * 9], {"false_positive": 1, "false_negative": 9}),
    ],
)
def test_costs_when_a_class_is_rare_make_up_for_it(
    tmp_path: Path, words: list[str], costs: dict[str, float]
) -> None:
    make_table().assign(y=(words * 100)[:200]).to_csv(tmp_path / "t.csv", index=False)

    draft = draft_model(str(tmp_path / "t.csv"), "y", name="trial", sample="t.csv")

    assert costs == definition_of(model_text(draft, candidates(draft)[0])).costs
    assert bool(costs) == ("set `costs` in the file" in draft.target.remark)
