"""Explanations are Shapley values against the typical record, and say so."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.pipeline import Pipeline

from engine.runtime import explanation
from engine.runtime.explanation import NotExplained, explain, typical_row
from engine.runtime.loading import load_version
from engine.runtime.version import StoredVersion
from engine.schema import Flag, ModelDefinition, Number
from engine.training.train import train
from persistence.model_persistence import ModelStore

PARCEL = {
    "weight": 30, "pieces": 9, "height": None, "colour": "red", "shape": "ball", "fragile": True,
    "express": None,
}  # fmt: skip
RENT = {"area": 80, "rooms": 4, "city": "Natal"}
COIN = {"size": -2.5, "edge": 0.5}


def row_of(version: StoredVersion, record: dict[str, Any]) -> Any:
    codes = [explanation.coded(field, record[field.name]) for field in version.schema.fields]
    return np.array(codes)


def explained(version: StoredVersion, row: Any, output: int | None, **more: Any) -> Any:
    counted: list[int] = []
    given = {"most_rows": 10**6, "count_rows": counted.append, **more}
    return explain(version, row, output, **given), sum(counted)


def by_orders(version: StoredVersion, row: Any, output: int | None) -> dict[str, float]:
    """Average what each field adds over all orders in which fields may join: the definition."""
    typical, names = typical_row(version, row), [field.name for field in version.schema.fields]
    answers: dict[frozenset[int], float] = {}

    def answer(joined: frozenset[int]) -> float:
        if joined not in answers:
            mixed = np.array([row[n] if n in joined else typical[n] for n in range(len(row))])
            decisions = version.decide_matrix(mixed[None])
            numbers = decisions.numbers if output is None else decisions.probabilities[:, output]
            answers[joined] = float(numbers[0])
        return answers[joined]

    total = dict.fromkeys(names, 0.0)
    for order in permutations(range(len(row))):
        for size, place in enumerate(order):
            step = answer(frozenset(order[: size + 1])) - answer(frozenset(order[:size]))
            total[names[place]] += step / math.factorial(len(row))
    return total


@pytest.mark.parametrize(
    ("name", "record", "output"), [("parcel", PARCEL, 1), ("rent", RENT, None), ("coin", COIN, 1)]
)
def test_explanation_is_exact_and_adds_up(
    toy_store: ModelStore, name: str, record: dict[str, Any], output: int | None
) -> None:
    version = load_version(toy_store, name)
    row = row_of(version, record)

    found, rows = explained(version, row, output)

    contributions = {each["field"]: each["contribution"] for each in found["contributions"]}
    assert ("exact", 0.0) == (found["method"], found["error"])
    assert pytest.approx(by_orders(version, row, output), abs=1e-9) == contributions
    decisions = version.decide_matrix(row[None])
    answer = decisions.numbers[0] if output is None else decisions.probabilities[0, output]
    size = max(1.0, abs(answer))
    assert abs(found["typical"] + sum(contributions.values()) - answer) <= 1e-6 * size
    assert rows <= 2 ** len(row) + 1
    sizes = [abs(each["contribution"]) for each in found["contributions"]]
    assert sorted(sizes, reverse=True) == sizes


def test_explanation_when_sampled_is_as_near_as_its_error_says(
    toy_store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = load_version(toy_store, "parcel")
    row = row_of(version, PARCEL)
    exact, _ = explained(version, row, 1)
    monkeypatch.setattr(explanation, "EXACT_FIELDS", 1)

    drawn, _ = explained(version, row, 1, most_rows=600)

    assert "sampled" == drawn["method"]
    expected = {each["field"]: each["contribution"] for each in exact["contributions"]}
    got = {each["field"]: each["contribution"] for each in drawn["contributions"]}
    distance = max(abs(got[name] - expected[name]) for name in expected)
    assert 0 < drawn["error"] < 0.05
    assert 0 < distance < 4 * drawn["error"]
    assert pytest.approx(sum(expected.values()), abs=1e-9) == sum(got.values())


def test_drawn_orders_are_exact_where_no_more_than_two_fields_act_together() -> None:
    def answers(coalitions: Any) -> Any:
        return 1.0 * coalitions[:, 0] * coalitions[:, 1] - 2.0 * coalitions[:, 2]

    shares, error = explanation._drawn(answers, 4, 16)

    assert pytest.approx([0.5, 0.5, -2, 0]) == shares.tolist()
    assert pytest.approx(0, abs=1e-12) == error


def test_explanation_when_it_would_take_too_long_is_refused(toy_store: ModelStore) -> None:
    version = load_version(toy_store, "parcel")

    with pytest.raises(NotExplained, match="takes too long"):
        explained(version, row_of(version, PARCEL), 1, most_rows=20)


def test_explanation_of_the_typical_record_has_nothing_to_say(toy_store: ModelStore) -> None:
    version = load_version(toy_store, "parcel")
    row = row_of(version, PARCEL)  # its gaps are no difference to a typical gap
    gap = np.where(np.isnan(row), row, typical_row(version, row))
    assert version.reference is not None
    typical = dict(version.reference.typical, height=None, express=None)
    version.reference.typical.update(typical)

    found, rows = explained(version, gap, 1)

    assert {0.0} == {each["contribution"] for each in found["contributions"]}
    assert rows <= 2


def test_explanation_when_an_answer_between_is_not_finite_is_refused(
    toy_store: ModelStore,
) -> None:
    version = load_version(toy_store, "rent")

    with np.errstate(all="ignore"), pytest.raises(NotExplained, match="no finite"):
        explained(version, row_of(version, {**RENT, "area": 1e308}), None)


@pytest.mark.parametrize(
    ("value", "contribution", "text"),
    [
        (129.0, -0.0812, "income of 129 lowered it by 0.081"),
        (129.5, 1234.5, "income of 129.5 raised it by 1234"),
        (1234567.5, 99.7, "income of 1234568 raised it by 100"),
        (129.0, 7.6e-05, "income of 129 raised it by 0.000076"),
        (None, 0.5, "the gap in income raised it by 0.5"),
        ("rent", 0.0, "income being rent changed nothing"),
        (True, -1.0, "income being true lowered it by 1"),
        ("__unknown__", 2.0, "the unknown word in income raised it by 2"),
    ],
)
def test_explanation_in_words_names_the_value(value: Any, contribution: float, text: str) -> None:
    assert text == explanation._text(Number(name="income", example=1), value, contribution)


FEATURES = tuple(Number(name=f"x{place}", example=0) for place in range(16))


def numbers_model(tmp_path: Path, target: Any, score: str, estimator: Any) -> Any:
    """Train a model of numbers alone, which `shap` explains column by column."""
    draw = np.random.default_rng(5)
    table = pd.DataFrame(draw.normal(size=(300, 16)), columns=[each.name for each in FEATURES])
    table["y"] = 3 * (table[["x0", "x1", "x2"]] > 0).all(axis=1) + 0.1 * table.sum(axis=1)
    if target.classes:
        table["y"] = table["y"] > 1
    definition = ModelDefinition(
        title="Numbers", fields=FEATURES, target=target, load_data=lambda path: table,
        build_pipeline=lambda: Pipeline([("model", estimator)]), sample=Path(__file__), score=score,
    )  # fmt: skip
    trained = train(
        "numbers", definition, Path(__file__), with_importances=False,
        step=lambda title: nullcontext(lambda text: None),
    )  # fmt: skip
    store = ModelStore(tmp_path)
    store.promote("numbers", store.write(trained.card, trained.files))
    return load_version(store, "numbers"), table[[each.name for each in FEATURES]].to_numpy()


@pytest.mark.slow
def test_explanation_is_what_shap_finds_for_trees(tmp_path: Path) -> None:
    shap = pytest.importorskip("shap")
    forest = RandomForestRegressor(20, max_depth=6, random_state=0)
    version, rows = numbers_model(tmp_path, Number(name="y", example=1), "r2", forest)
    typical = typical_row(version, rows[0])
    draw = np.random.default_rng(1)
    errors: list[float] = []
    for row, count in zip(rows[:8], (1, 5, 9, 12, 13, 14, 16, 16), strict=True):
        mixed = np.where(np.isin(np.arange(16), draw.permutation(16)[:count]), row, typical)
        given = {"data": typical[None], "feature_perturbation": "interventional"}
        # Their trees compare in single precision, as scikit-learn's own do.
        expected = shap.TreeExplainer(forest, **given).shap_values(
            mixed[None], check_additivity=False
        )

        found, _ = explained(version, mixed, None)

        contributions = {each["field"]: each["contribution"] for each in found["contributions"]}
        values = [contributions[each.name] for each in FEATURES]
        is_exact = (mixed != typical).sum() <= explanation.EXACT_FIELDS
        assert ("exact" if is_exact else "sampled") == found["method"]
        nearness = max(1e-6, 4 * found["error"])
        errors.append(found["error"])
        assert pytest.approx(expected[0].tolist(), abs=nearness) == values
    assert 1e-4 < max(errors) < 0.05


@pytest.mark.slow
def test_explanation_is_what_shap_finds_for_probabilities(tmp_path: Path) -> None:
    shap = pytest.importorskip("shap")
    boosting = GradientBoostingClassifier(n_estimators=20, random_state=0)
    version, rows = numbers_model(tmp_path, Flag(name="y", example=True), "roc_auc", boosting)
    typical = typical_row(version, rows[0])
    answer: Callable[[Any], Any] = lambda rows: version.decide_matrix(rows).probabilities[:, 1]  # noqa: E731
    mixed = np.where(np.arange(16) < 10, rows[0], typical)

    # With so many samples it takes every coalition of the ten that differ.
    kernel = shap.KernelExplainer(answer, typical[None])
    expected = kernel.shap_values(mixed[None], nsamples=2**10, l1_reg=0, silent=True)[0]

    found, _ = explained(version, mixed, 1)
    contributions = {each["field"]: each["contribution"] for each in found["contributions"]}
    assert pytest.approx(expected.tolist(), abs=1e-6) == [
        contributions[each.name] for each in FEATURES
    ]
