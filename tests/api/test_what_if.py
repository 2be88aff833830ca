"""What would have to change for another answer: nothing smaller does, where the answer says so."""

import json
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from engine.runtime.explanation import coded
from engine.runtime.loading import load_version
from engine.runtime.what_if import Search, move_of
from persistence.model_persistence import ModelStore
from tests.api.test_explain import without_reference
from tests.support.application import serve
from tests.support.models import EXAMPLES

PARCEL, RENT = EXAMPLES["parcel"], EXAMPLES["rent"]

#: All values of two fields, and a grid of a third.
GRID: dict[str, Any] = {
    "weight": np.linspace(0, 100, 201).tolist(), "pieces": [*range(1, 51)], "fragile": [True, False]
}  # fmt: skip


def ask(client: FlaskClient, model: str, **question: Any) -> Any:
    answer = client.post(f"/v0/models/{model}/whatif", json=question)
    assert 200 == answer.status_code, answer.text
    return answer.get_json()


def scales(store: ModelStore) -> dict[str, float]:
    """Return the middle four fifths of the training rows, as the reference has them."""
    folder = store.root / "parcel" / store.read_card("parcel")["version"]
    fields = json.loads((folder / "reference.json").read_text())["fields"]
    ends = {name: np.quantile(fields[name]["sample"], (0.1, 0.9)) for name in ("weight", "pieces")}
    return {name: high - low for name, (low, high) in ends.items()}


def smallest_of_grid(store: ModelStore, record: Any, target: str) -> tuple[int, float] | None:
    """Try all of the grid: the fewest fields that reach the target, and their least sum."""
    version, scale = load_version(store, "parcel"), scales(store)
    for size in range(1, 4):
        sums = []
        for names in combinations(GRID, size):
            rows = [*product(*(GRID[name] for name in names))]
            columns = {name: [value] * len(rows) for name, value in record.items()}
            columns |= dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            columns["fragile"] = [float(value) for value in columns["fragile"]]
            predictions = version.predict(columns)
            costs = [
                np.abs(np.array(columns[name], float) - record[name]) / scale.get(name, 1.0)
                for name in names
            ]
            is_hit = [prediction.value == target for prediction in predictions]
            sums += np.sum(costs, axis=0)[is_hit].tolist()
        if sums:
            return size, min(sums)
    return None


@pytest.mark.parametrize("target", ["small", "medium", "large"])
@pytest.mark.parametrize("weight", [5.0, 60.0])
def test_what_if_finds_nothing_larger_than_a_grid_does(
    toy_client: FlaskClient, toy_store: ModelStore, weight: float, target: str
) -> None:
    record = {**PARCEL, "weight": weight}

    found = ask(toy_client, "parcel", record=record, may_change=[*GRID], target=target)

    changes = {each["field"]: each["to"] for each in found["changes"]}
    answer = toy_client.post("/v0/predict", json={**record, **changes}).get_json()
    assert found["answer"] == answer["prediction"]
    assert target == found["answer"]["value"]
    assert all(record[each["field"]] == each["from"] for each in found["changes"])
    scale = scales(toy_store)
    sizes = [abs(value - record[name]) / scale.get(name, 1) for name, value in changes.items()]
    assert pytest.approx(sum(sizes)) == found["distance"]
    if toy_client.post("/v0/predict", json=record).get_json()["prediction"]["value"] == target:
        assert ([], 0) == (found["changes"], found["distance"])
        return
    grid = smallest_of_grid(toy_store, record, target)
    assert grid is not None
    assert "smallest" == found["proof"]
    assert (len(changes), found["distance"]) <= (grid[0], grid[1] + 1e-9)


def test_what_if_stays_within_the_ends_of_the_request(toy_client: FlaskClient) -> None:
    heavy = {**PARCEL, "weight": 30, "pieces": 50, "fragile": False}
    free = ask(toy_client, "parcel", record=heavy, may_change=["pieces"], target="small")
    pieces = free["changes"][0]["to"]
    less, more = (
        {"field": "pieces", "minimum": 1, "maximum": pieces - 2},
        {"field": "pieces", "minimum": pieces + 1},
    )  # fmt: skip

    below = ask(toy_client, "parcel", record=heavy, may_change=[less], target="small")
    none = ask(toy_client, "parcel", record=heavy, may_change=[more], target="small")

    assert below["changes"][0]["to"] <= pieces - 2
    assert ("none exists", False) == (none["reason"], none["found"])


def test_move_of_whole_numbers_reaches_both_sides_of_each_turning_point(
    toy_store: ModelStore,
) -> None:
    version = load_version(toy_store, "parcel")
    places = {field.name: place for place, field in enumerate(version.schema.fields)}
    place = places["pieces"]
    version.turning_points[place] = np.array([5.0, 7.5, 5000.0])
    row = np.array([coded(field, PARCEL[field.name]) for field in version.schema.fields])

    move = move_of(version, row, place, 1.0, 1e9)

    assert PARCEL["pieces"] == 3
    assert [6, 8, 5001] == [value for value in move.values.tolist() if value > 5]
    assert move.is_complete


def test_what_if_of_a_number_comes_close_to_the_least_change(toy_client: FlaskClient) -> None:
    now = toy_client.post("/v0/models/rent/predict", json=RENT).get_json()["prediction"]["value"]
    one_more = {**RENT, "area": RENT["area"] + 1}
    more = toy_client.post("/v0/models/rent/predict", json=one_more).get_json()["prediction"][
        "value"
    ]
    slope = more - now
    goals = {"at_least": now + 10 * slope}, {"at_most": now - 10 * slope}

    up, down = (
        ask(toy_client, "rent", record=RENT, may_change=["area"], target=each) for each in goals
    )

    assert ["smallest tried"] * 2 == [up["proof"], down["proof"]]
    assert pytest.approx(RENT["area"] + 10, rel=1e-4) == up["changes"][0]["to"]
    assert up["answer"]["value"] >= goals[0]["at_least"]
    assert pytest.approx(RENT["area"] - 10, rel=1e-4) == down["changes"][0]["to"]
    assert down["answer"]["value"] <= goals[1]["at_most"]
    far = ask(
        toy_client, "rent", record=RENT, may_change=[{"field": "area", "maximum": 90}, "city"],
        target={"at_least": 10**6},
    )  # fmt: skip
    assert {"found": False, "reason": "none found in 2 s"} == {
        key: far[key] for key in ("found", "reason")
    }


def test_what_if_when_no_value_is_known_says_not_that_none_exists(
    toy_store: ModelStore,
) -> None:
    version = load_version(toy_store, "rent")
    assert version.reference is not None
    place = [field.name for field in version.schema.fields].index("rooms")
    row = np.array([coded(f, version.reference.typical[f.name]) for f in version.schema.fields])
    version.reference.fields.pop("rooms")  # as of a private field

    move = move_of(version, row, place, -np.inf, np.inf)
    search = Search(
        version, row, [move], lambda decisions: (decisions.numbers > 1e9, -decisions.numbers),
        seconds=1,
    )  # fmt: skip

    assert (0, (None, False)) == (len(move.values), search.find())


def test_what_if_of_a_pipeline_finds_a_change_that_predicts_so(toy_client: FlaskClient) -> None:
    record = {"size": -2.0, "edge": -1.0}

    found = ask(toy_client, "coin", record=record, may_change=["size", "edge"], target="1")

    changed = {**record, **{each["field"]: each["to"] for each in found["changes"]}}
    answer = toy_client.post("/v0/models/coin/predict", json=changed).get_json()["prediction"]
    assert (1, "smallest tried") == (answer["value"], found["proof"])


def test_what_if_of_a_gap_and_of_words_costs_one_each(toy_client: FlaskClient) -> None:
    record = {**PARCEL, "weight": 99, "pieces": 1, "height": None, "shape": "ball"}

    found = ask(
        toy_client, "parcel", record=record, may_change=["height", "shape", "weight"],
        target="small",
    )  # fmt: skip

    assert ["weight"] == [each["field"] for each in found["changes"]]


def test_what_if_when_it_is_not_valid_says_all_that_is_wrong(toy_client: FlaskClient) -> None:
    question = {
        "record": {**PARCEL, "weight": -1}, "target": "huge", "seconds": 60, "why": "not",
        "may_change": [
            "weight", "weight", "size", {"field": "fragile", "minimum": True}, 7,
            {"field": "height", "minimum": "low", "least": 1},
            {"field": "pieces", "minimum": 9, "maximum": 3},
        ],
    }  # fmt: skip

    answer = toy_client.post("/v0/models/parcel/whatif", json=question)

    assert 422 == answer.status_code
    details = {each["pointer"]: each["detail"] for each in answer.get_json()["errors"]}
    assert {
        "/why", "/record/weight", "/target", "/seconds", "/may_change/1", "/may_change/2",
        "/may_change/3/minimum", "/may_change/4", "/may_change/5/minimum", "/may_change/5/least",
        "/may_change/6",
    } == set(details)  # fmt: skip
    assert "is 60: send a number above 0, up to 10" == details["/seconds"]
    assert "has no value from 9 to 3: widen it" == details["/may_change/6"]


def test_what_if_takes_no_truth_value_for_a_class_that_is_a_number(
    toy_client: FlaskClient,
) -> None:
    question = {"record": {"size": -2, "edge": -1}, "may_change": ["size"], "target": True}

    answer = toy_client.post("/v0/models/coin/whatif", json=question)

    assert 422 == answer.status_code
    assert ["/target"] == [each["pointer"] for each in answer.get_json()["errors"]]


@pytest.mark.parametrize("may_change", [None, [], "weight", {}, ["weight"] * 1001, [[]], [None]])
@pytest.mark.parametrize("seconds", [0, -1, "2", True, 10**400])
def test_what_if_when_it_is_wrongly_shaped_names_each_part(
    toy_client: FlaskClient, may_change: Any, seconds: Any
) -> None:
    question = {"record": [], "may_change": may_change, "target": [1], "seconds": seconds}

    answer = toy_client.post("/v0/models/parcel/whatif", json=question)

    assert 422 == answer.status_code
    pointers = {each["pointer"].removesuffix("/0") for each in answer.get_json()["errors"]}
    assert {"/record", "/may_change", "/target", "/seconds"} <= pointers


@pytest.mark.parametrize(
    "target",
    [None, 5, "5", {}, {"at_least": None}, {"at_least": 10**400}, {"at_least": True},
     {"at_least": 1, "at_most": 2}, {"more": 1}],
)  # fmt: skip
def test_what_if_of_a_number_when_none_is_named_is_refused(
    toy_client: FlaskClient, target: Any
) -> None:
    question = {"record": RENT, "may_change": ["area"], "target": target}

    answer = toy_client.post("/v0/models/rent/whatif", json=question)

    assert 422 == answer.status_code
    assert ["/target"] == [each["pointer"] for each in answer.get_json()["errors"]]


@pytest.mark.parametrize("question", [[], "what", 5, None])
def test_what_if_when_it_is_not_an_object_is_refused(
    toy_client: FlaskClient, question: Any
) -> None:
    body = json.dumps(question)

    answer = toy_client.post("/v0/models/parcel/whatif", data=body, content_type="application/json")

    assert 400 == answer.status_code
    assert "send an object of record, may_change, target" in answer.get_json()["detail"]


def test_move_proposes_neither_a_gap_nor_an_unlisted_word(toy_store: ModelStore) -> None:
    version = load_version(toy_store, "parcel")
    row = np.array([coded(field, PARCEL[field.name]) for field in version.schema.fields])
    accepting = [
        (place, field) for place, field in enumerate(version.schema.fields)
        if field.missing == "accept" or "unknown" in field.accepted()
    ]  # fmt: skip

    for place, field in accepting:
        values = move_of(version, row, place, *field.usual_range()).values
        words = [field.words[int(value)] for value in values] if field.words else []
        assert len(values) and np.isfinite(values).all()
        assert set(words) <= set(field.classes or ())
    assert accepting


def test_what_if_of_a_version_without_a_reference_is_refused(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    client = serve(without_reference(toy_store, tmp_path), "parcel").test_client()
    question = {"record": PARCEL, "may_change": ["weight"], "target": "small"}

    answer = client.post("/v0/models/parcel/whatif", json=question)

    assert 400 == answer.status_code
    assert "train it again" in answer.get_json()["detail"]
