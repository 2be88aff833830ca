"""When a new version takes the promoted one's place: the rows, the scores, the verdict."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from build_model import build
from engine.runtime.loading import as_card, load_version
from engine.schema.definition import ModelDefinition
from engine.scoring.judged import HeldOutAnswers, judge
from engine.training.evaluation.champion import challenge
from engine.training.table import read_table
from persistence.model_persistence import ModelStore
from persistence.promotions import PromotionConflict
from tests.support.models import TOYS, unstored


@pytest.fixture(scope="module")
def store(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store where a fair rent is promoted."""
    root = tmp_path_factory.mktemp("store")
    shutil.copytree(toy_store.root / "rent", root / "rent")
    return ModelStore(root)


def held_out(definition: ModelDefinition) -> tuple[pd.DataFrame, np.ndarray]:
    table = definition.load_data(definition.sample)
    _, y, _ = read_table(table, definition.schema)
    return table, y.to_numpy()


def asked(store: ModelStore, errors: float, promote: str = "if-better") -> Any:
    """Hold answers that err by so much, and now and then by nothing, against the promoted rent."""
    (version,) = store.versions("rent")
    card = as_card(store.read_card("rent", version))
    table, truth = held_out(TOYS["rent"])
    noise = np.random.default_rng(0).normal(0, errors, len(truth))
    return challenge(store, card, HeldOutAnswers(truth, truth + noise), table, promote=promote)


def test_challenger_when_surely_better_wins(store: ModelStore) -> None:
    found = asked(store, errors=0)

    assert ("better", True) == (found["verdict"], found["promote"])
    assert store.promoted("rent") == found["champion"]
    assert 0 < found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]
    assert "is better than" in found["reason"]
    assert not found["may_know_rows"]


def test_challenger_when_surely_worse_loses(store: ModelStore) -> None:
    found = asked(store, errors=1e6)

    assert ("worse", False) == (found["verdict"], found["promote"])
    assert found["gain"]["high"] < 0


def test_challenger_when_better_by_chance_loses(store: ModelStore) -> None:
    card, table, answers = answers_of(store)
    same = answers.predicted.copy()
    same[0] += (answers.truth[0] - same[0]) / 2  # one row is answered better

    found: Any = challenge(
        store, card, replace(answers, predicted=same), table, promote="if-better"
    )

    assert found["gain"]["value"] > 0
    assert ("undecided", False) == (found["verdict"], found["promote"])
    assert "is not surely better than" in found["reason"]


def answers_of(store: ModelStore) -> tuple[Any, pd.DataFrame, HeldOutAnswers]:
    """Return the promoted rent's card, the rows, and its own answers to them."""
    card, (table, truth) = as_card(store.read_card("rent")), held_out(TOYS["rent"])
    X, _, _ = read_table(table, TOYS["rent"].schema)
    predictions = load_version(store, "rent").predict(X.to_dict("list"))
    return card, table, judge(truth.tolist(), predictions, card)


def test_challenger_when_its_answers_are_those_of_the_champion_never_wins(
    store: ModelStore,
) -> None:
    card, table, answers = answers_of(store)

    found: Any = challenge(store, card, answers, table, promote="if-better")

    assert ("undecided", False) == (found["verdict"], found["promote"])
    assert {"value": 0.0, "low": 0.0, "high": 0.0} == found["gain"]


@pytest.mark.parametrize("share", [1.0, 1e3])
def test_challenger_when_only_rounding_makes_its_answers_better_does_not_win(
    store: ModelStore, share: float
) -> None:
    card, table, answers = answers_of(store)
    spread = np.subtract(*np.quantile(answers.predicted, [0.95, 0.05]))
    errors = answers.truth - answers.predicted
    nearer = np.clip(errors, -0.9e-5 * spread * share, 0.9e-5 * spread * share)
    better = replace(answers, predicted=answers.predicted + nearer)

    found: Any = challenge(store, card, better, table, promote="if-better")

    assert ("undecided" if share == 1 else "better") == found["verdict"]


def test_challenger_when_its_probabilities_are_better_by_rounding_does_not_win(
    toy_store: ModelStore,
) -> None:
    name = next(name for name in TOYS if toy_store.read_card(name)["has_probabilities"])
    card = as_card(toy_store.read_card(name) | {"score": "log_loss"})
    table, truth = held_out(TOYS[name])
    X, _, _ = read_table(table, TOYS[name].schema)
    predictions = load_version(toy_store, name).predict(X.to_dict("list"))
    answers = judge(truth.tolist(), predictions, card)
    assert answers.probabilities is not None
    is_true = np.stack([truth == label for label in card["classes"]], axis=1)
    surer = answers.probabilities + np.where(is_true, 5e-6, -5e-6)
    better = replace(answers, probabilities=surer)

    found: Any = challenge(toy_store, card, better, table, promote="if-better")

    assert ("undecided", 0.0) == (found["verdict"], found["gain"]["value"])


@pytest.mark.parametrize(("threshold", "is_better"), [(0.5, False), (0.4, True)])
def test_challenger_when_rounding_alone_turns_its_labels_does_not_win(
    toy_store: ModelStore, threshold: float, *, is_better: bool
) -> None:
    name = next(name for name in TOYS if toy_store.read_card(name)["has_probabilities"])
    promoted = toy_store.read_card(name)
    card = as_card(promoted | {"score": "accuracy", "threshold": threshold})
    table, truth = held_out(TOYS[name])
    X, _, _ = read_table(table, TOYS[name].schema)
    predictions = load_version(toy_store, name).predict(X.to_dict("list"))
    answers = judge(truth.tolist(), predictions, card)
    assert 0.5 == promoted["threshold"]
    assert (answers.predicted != truth).sum() > 12
    right = replace(answers, predicted=truth)  # as if all the others were ties

    found: Any = challenge(toy_store, card, right, table, promote="if-better")

    assert is_better == (found["verdict"] == "better")


def test_challenge_when_the_rows_are_few_is_not_decided(store: ModelStore) -> None:
    card, table, answers = answers_of(store)
    few = replace(answers, truth=answers.truth[:11], predicted=answers.truth[:11])

    found: Any = challenge(store, card, few, table.head(11), promote="if-better")

    assert ("incomparable", False) == (found["verdict"], found["promote"])
    assert "it takes 12 held-out rows to tell, and there are 11" in found["reason"]


@pytest.mark.parametrize("promote", ["always", "never"])
def test_challenge_when_the_answer_is_asked_for_is_written_down_all_the_same(
    store: ModelStore, promote: str
) -> None:
    found = asked(store, errors=1e6, promote=promote)

    assert ("worse", promote == "always") == (found["verdict"], found["promote"])
    assert found["gain"]["value"] < 0
    assert ", as asked: " in found["reason"]


def test_challenger_when_nothing_is_promoted_wins(tmp_path: Path) -> None:
    card: Any = {"model": "rent", "score": "mae"}
    rows = HeldOutAnswers(np.ones(30), np.ones(30))

    found = challenge(ModelStore(tmp_path), card, rows, pd.DataFrame(), promote="if-better")

    assert ("first", True, None) == (found["verdict"], found["promote"], found["gain"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"classes": ["odd"]}, "its classes are None, here they are"),
        ({"target": 1}, "it reads other true values"),
        ({"score": "accuracy"}, "it has no accuracy"),
        ({"column": "gone"}, "its schema rejects them: column"),
    ],
)
def test_challenge_when_the_two_answer_different_questions_says_so(
    store: ModelStore, change: dict[str, Any], reason: str
) -> None:
    changed = {key: change[key] for key in change if key in "classes score"}
    card = as_card(store.read_card("rent") | changed)
    table, truth = held_out(TOYS["rent"])
    rows = HeldOutAnswers(truth + change.get("target", 0), truth)
    if "column" in change:
        table = table.drop(columns=table.columns[0])

    found = challenge(store, card, rows, table, promote="if-better")

    assert ("incomparable", False, None) == (found["verdict"], found["promote"], found["gain"])
    assert reason in found["reason"]


def test_challenge_when_the_promoted_version_is_damaged_keeps_it(store: ModelStore) -> None:
    path = store.root / "rent" / "promoted.json"
    whole = path.read_bytes()
    path.write_text("{")
    try:
        found = asked(store, errors=0)
    finally:
        path.write_bytes(whole)

    assert ("incomparable", False) == (found["verdict"], found["promote"])
    assert "what is promoted cannot be compared" in found["reason"]


@pytest.mark.parametrize(
    "key", ["seed", "split", "synonyms", "unit", "later", "earlier", "moved", "moved alike"]
)
def test_challenge_when_the_rows_were_split_otherwise_says_that_they_may_be_known(
    store: ModelStore, tmp_path: Path, key: str
) -> None:
    card = store.read_card("rent")
    folder = store.root / "rent" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    other = unstored(card)
    if key == "seed":
        other["seed"] = 99
    elif key == "split":  # as in a version of before
        other["data"] = {name: one for name, one in card["data"].items() if name != "split"}
    elif key in ("later", "earlier"):  # it was split by time, and has learnt up to one of day 7
        other["data"] = card["data"] | {"split": "time:day", "held_out_from": 7.0}
        start = 6.0 if key == "later" else 8.0
        card["data"] = card["data"] | {"split": "time:day", "held_out_from": start}
    elif key.startswith("moved"):  # rows of one class changed sides, of this table or another
        card["data"] = card["data"] | {"split": "digest, moved: A"}
        other["data"] = card["data"] | ({"sha256": "0" * 64} if key == "moved" else {})
    else:
        *rest, last = card["schema"]["fields"]
        changed = {"synonyms": [["R", "Recife"]], "unit": "km"}[key]
        other["schema"] = card["schema"] | {"fields": [*rest, last | {key: changed}]}
    second = ModelStore(tmp_path)
    second.promote("rent", second.write(other, files))
    table, truth = held_out(TOYS["rent"])

    found = challenge(
        second, as_card(card), HeldOutAnswers(truth, truth), table, promote="if-better"
    )

    is_split_otherwise = key not in ("unit", "earlier", "moved alike")
    assert is_split_otherwise == found["may_know_rows"]
    assert is_split_otherwise == ("may have learnt from some of them" in found["reason"])


class Late(ModelStore):
    """A store where somebody else promotes while a version is written."""

    other = ""

    def write(self, *args: Any) -> str:
        version = super().write(*args)
        ModelStore(self.root).promote("rent", self.other)
        return version


@pytest.mark.slow
def test_build_when_another_is_promoted_meanwhile_changes_nothing_and_says_so(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = store.read_card("rent")
    folder = store.root / "rent" / card["version"]
    late = Late(tmp_path)
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    late.other = ModelStore(tmp_path).write(unstored(card), files)
    monkeypatch.setattr("models.find", TOYS.get)

    with pytest.raises(PromotionConflict, match="was to follow no version, but"):
        build(late, "rent", data=None, promote="if-better")

    assert late.other == late.promoted("rent")
    (mine,) = set(late.versions("rent")) - {late.other}
    decided = late.read_card("rent", mine)["challenge"]
    assert ("first", True) == (decided["verdict"], decided["promote"])
