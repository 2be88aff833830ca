"""`flask models`: what is stored, and which version is served."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.models import TRAINED_AT, unstored
from tests.support.runtimes import BEST, RUN_FILE
from tests.support.table_bodies import PARCELS, write_csv, write_lines


@pytest.fixture
def store(two_parcels: ModelStore, tmp_path: Path) -> ModelStore:
    shutil.copytree(two_parcels.root, tmp_path / "store")
    return ModelStore(tmp_path / "store")


def run(store: ModelStore, *arguments: str) -> Result:
    return serve(store, "parcel").test_cli_runner().invoke(args=["models", *arguments])


def told(store: ModelStore, *arguments: str) -> Any:
    done = run(store, *arguments, "--json")
    assert 0 == done.exit_code, done.stderr
    return json.loads(done.stdout)


def test_list_when_asked_shows_every_version_newest_first(store: ModelStore) -> None:
    old, new = store.versions("parcel")

    lines = run(store, "list").stdout.splitlines()
    rows = told(store, "list")["versions"]

    assert ["coin", "parcel", "parcel", "rent"] == [row["model"] for row in rows]
    assert [new, old] == [row["version"] for row in rows[1:3]]
    assert [True, False, True, True] == [row["promoted"] for row in rows]
    assert ["native", BEST, BEST, BEST] == [row["runtime"] for row in rows]
    card = store.read_card("parcel")
    assert card["scores"][card["score"]]["value"] == rows[2]["value"]
    assert ["parcel", old, "*", *TRAINED_AT[:16].split("T")] == lines[3].split()[:5]
    assert rows[1:3] == told(store, "list", "--model", "parcel")["versions"]


def test_list_when_nothing_is_stored_says_how_to_train(tmp_path: Path) -> None:
    empty = ModelStore(tmp_path / "nothing")

    done = run(empty, "list")

    assert (0, True) == (done.exit_code, "build_model.py parcel" in done.stdout)
    assert {"versions": [], "next": None} == told(empty, "list")


def test_list_when_a_card_is_damaged_shows_the_others(store: ModelStore) -> None:
    old, new = store.versions("parcel")
    (store.root / "parcel" / new / "card.json").write_text("{}")

    rows = told(store, "list", "--model", "parcel")["versions"]

    assert [new, old] == [row["version"] for row in rows]
    assert "damaged" in rows[0]["refused"]
    assert "refused: the card of parcel" in run(store, "list").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--model", "nothing"], ["show", "nothing"], ["show", "parcel", "nothing"],
        ["show", "../parcel"], ["promote", "parcel", "latest"], ["promote", "nothing", "x"],
        ["rollback", "nothing"], ["diff", "nothing"], ["diff", "parcel", "x"],
        ["diff", "coin"], ["rollback", "coin"],
    ],
)  # fmt: skip
def test_command_when_there_is_no_such_thing_refuses_in_a_sentence(
    store: ModelStore, arguments: list[str]
) -> None:
    done = run(store, *arguments)
    document = run(store, *arguments, "--json")

    assert (1, 1) == (done.exit_code, document.exit_code)
    assert "" == done.stdout
    assert f"models {arguments[0]}: " in done.stderr
    assert done.stderr.strip().endswith(json.loads(document.stdout)["error"])


@pytest.mark.parametrize("arguments", [["show"], ["list", "x"], ["promote", "parcel"], ["drop"]])
def test_command_when_used_wrongly_ends_with_2(store: ModelStore, arguments: list[str]) -> None:
    done = run(store, *arguments)

    assert (2, "") == (done.exit_code, done.stdout)


@pytest.mark.parametrize("name", ["parcel", "rent", "coin"])
def test_show_when_asked_tells_what_the_card_says(store: ModelStore, name: str) -> None:
    card = store.read_card(name)

    text = run(store, "show", name).stdout
    document = told(store, "show", name)

    assert {"version_name": None, "promoted": True, "card": card} == document
    for word in (
        card["title"], card["digest"], card["data"]["sha256"], card["runtime"],
        card["libraries"]["scikit-learn"], *(one["name"] for one in card["schema"]["fields"]),
        f"{card['scores'][card['score']]['baseline']:.4f}", *card["hyperparameters"],
    ):  # fmt: skip
        assert str(word) in text
    assert max(map(len, text.splitlines())) < 140


def test_promotion_when_the_version_answers_moves_and_says_what_was(store: ModelStore) -> None:
    old, new = store.versions("parcel")

    assert "Nothing is changed" in run(store, "promote", "parcel", new, "--dry-run").stdout
    assert old == store.promoted("parcel")
    done = run(store, "promote", "parcel", new)

    assert (0, new) == (done.exit_code, store.promoted("parcel"))
    assert f"Before: {old}." in done.stdout
    assert "within 2 s" in done.stdout
    assert "already promoted" in run(store, "promote", "parcel", new).stdout


def test_name_when_given_stands_for_its_version_in_every_command(
    store: ModelStore, tmp_path: Path
) -> None:
    old, new = store.versions("parcel")
    store.give_name("parcel", new, "v2")
    (tmp_path / "parcels.csv").write_bytes(write_csv(PARCELS))
    predict = ["predict", str(tmp_path / "parcels.csv"), "--output", str(tmp_path / "out.csv")]

    rows = told(store, "list", "--model", "parcel")["versions"]
    answered = serve(store, "parcel").test_cli_runner().invoke(args=[*predict, "--version", "v2"])

    assert ["v2", None] == [row["version_name"] for row in rows]
    assert [new, "v2"] == run(store, "list").stdout.splitlines()[2].split()[1:3]
    assert f"parcel {new} (v2)\n" in run(store, "show", "parcel", "v2").stdout
    assert f"by parcel {new}" in answered.stderr
    assert f"from {old} to {new}" in run(store, "diff", "parcel", old, "v2").stdout
    assert 0 == run(store, "pin", "parcel", "v2").exit_code
    assert (new,) == store.pointer("parcel").pinned
    assert 0 == run(store, "shadow", "parcel", "v2").exit_code
    assert f"{new} of parcel is promoted" in run(store, "promote", "parcel", "v2").stdout
    assert (1, new) == (run(store, "promote", "parcel", "v3").exit_code, store.promoted("parcel"))


@pytest.mark.parametrize("file", [RUN_FILE, "model.skops", "report.html", "card.json"])
def test_promotion_when_a_file_is_damaged_is_refused(store: ModelStore, file: str) -> None:
    old, new = store.versions("parcel")
    path = store.root / "parcel" / new / file
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    done = run(store, "promote", "parcel", new)

    assert (1, old) == (done.exit_code, store.promoted("parcel"))
    assert f"{new} of parcel is not promoted: " in done.stderr


def test_promotion_when_the_worked_example_fails_is_refused(store: ModelStore) -> None:
    card = store.read_card("parcel")
    folder = store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    body = unstored(card)
    body["example"] = {**body["example"], "value": "enormous"}
    wrong = store.write(body, files)

    done = run(store, "promote", "parcel", wrong)

    assert 1 == done.exit_code
    assert "the worked example answers" in done.stderr


def test_rollback_when_nobody_wrote_down_what_was_says_that_it_guesses(store: ModelStore) -> None:
    old, new = store.versions("parcel")
    (store.root / "parcel" / "promoted.json").write_text(json.dumps({"version": new}))

    done = run(store, "rollback", "parcel")

    assert (0, old) == (done.exit_code, store.promoted("parcel"))
    assert "It is not recorded what was promoted before" in done.stdout


def test_rollback_when_repeated_goes_further_back_until_nothing_is_left(store: ModelStore) -> None:
    old, new = store.versions("parcel")
    run(store, "promote", "parcel", new)

    assert {"version": old, "before": new}.items() <= told(store, "rollback", "parcel").items()
    assert 1 == run(store, "rollback", "parcel").exit_code
    assert old == store.promoted("parcel")


def test_difference_when_asked_tells_what_changed(store: ModelStore) -> None:
    old, new = store.versions("parcel")

    found, text = told(store, "diff", "parcel"), run(store, "diff", "parcel").stdout

    assert (old, new) == (found["from"], found["to"])
    assert {"n_estimators": {"from": 10, "to": 2}} == found["hyperparameters"]
    assert {"trees", "seed"} == set(found["facts"])
    assert {"accuracy", "log_loss"} <= set(found["scores"])
    assert "n_estimators  10 -> 2" in text
    for one in found["scores"].values():
        assert one["to"]["value"] - one["from"]["value"] == one["change"]
    back = told(store, "diff", "parcel", new, old)
    assert {"n_estimators": {"from": 2, "to": 10}} == back["hyperparameters"]
    assert back == told(store, "diff", "parcel", new), "with the promoted one"
    store.promote("parcel", new)
    assert (old, new) == (
        told(store, "diff", "parcel")["from"],
        told(store, "diff", "parcel")["to"],
    )


@pytest.mark.parametrize(("suffix", "write"), [("csv", write_csv), ("jsonl", write_lines)])
def test_difference_with_data_when_asked_counts_the_answers_that_differ(
    store: ModelStore, tmp_path: Path, suffix: str, write: Any
) -> None:
    records = [{**PARCELS[0], "weight": float(at), "pieces": at % 50 + 1} for at in range(100)]
    path = tmp_path / f"parcels.{suffix}"
    path.write_bytes(write(records))
    schema = load_version(store, "parcel").schema
    first, second = (
        load_version(store, "parcel", one).predict(schema.columns(records))
        for one in store.versions("parcel")
    )
    others = [row for row, (a, b) in enumerate(zip(first, second, strict=True), 1)
              if a.value != b.value]  # fmt: skip
    shares = [
        abs(x - y)
        for a, b in zip(first, second, strict=True)
        for x, y in zip(a.probabilities or (), b.probabilities or (), strict=True)
    ]

    found = told(store, "diff", "parcel", "--data", str(path))["answers"]

    assert 0 < len(others) < 100
    assert (100, len(others)) == (found["rows"], found["labels_that_differ"])
    assert max(shares) == pytest.approx(found["largest_difference"])
    named = found["rows_that_differ_most"]
    assert 10 == len(named)
    assert set(named[: len(others)]) <= set(others)


def test_difference_with_data_when_a_record_is_refused_says_where(
    store: ModelStore, tmp_path: Path
) -> None:
    path = tmp_path / "parcels.jsonl"
    path.write_bytes(write_lines([PARCELS[0], {**PARCELS[0], "weight": -1}]))

    done = run(store, "diff", "parcel", "--data", str(path))

    assert 1 == done.exit_code
    assert "line 2, row 2, weight: " in done.stderr


@pytest.mark.parametrize(
    ("verdict", "is_promoted"),
    [("better", True), ("worse", False), ("undecided", False), ("incomparable", False)],
)
def test_newest_version_when_asked_if_better_is_promoted_as_its_training_found(
    store: ModelStore, verdict: str, *, is_promoted: bool
) -> None:
    champion, other = store.versions("parcel")
    card = store.read_card("parcel", other)
    files = {name: (store.root / "parcel" / other / name).read_bytes() for name in card["files"]}
    comparison = {**card["challenge"], "verdict": verdict, "champion": champion}
    challenger = store.write(
        unstored(card) | {"challenge": comparison, "created_at": "2022-01-02T03:04:05+00:00"}, files
    )

    done = run(store, "promote", "parcel", "--if-better")

    assert 0 == done.exit_code, done.stderr
    assert (challenger if is_promoted else champion) == store.promoted("parcel")
    assert is_promoted or "has not shown it to be better" in done.stdout
    store.promote("parcel", other)  # the comparison was with another one
    late = run(store, "promote", "parcel", challenger, "--if-better")
    assert int(is_promoted) == late.exit_code, late.stdout
    assert other == store.promoted("parcel")
