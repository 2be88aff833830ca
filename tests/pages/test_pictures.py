"""The pictures on the page of a version: what they say, and that they are read without looking."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from engine.pages.labels import beneath, beside
from engine.pages.pictures import Picture, Scale, pictures
from engine.runtime.loading import as_card
from engine.scoring.judged import HeldOutAnswers
from engine.scoring.pictures import picture_values
from persistence.model_persistence import ModelStore
from tests.support.judged import ROWS, judged

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def drawn(
    store: ModelStore, kind: str, answers: HeldOutAnswers | None = None
) -> dict[str, Picture]:
    """Draw answers of a kind on the card of a toy."""
    answers = answers or judged(kind)
    card: Any = as_card(store.read_card("rent" if kind == "numbers" else "parcel"))
    target = {**card["schema"]["target"], "name": "paid_back"}
    card |= {
        "classes": answers.classes, "positive": answers.positive,
        "schema": {**card["schema"], "target": target},
        "scores": {**card["scores"], "roc_auc": {"value": 0.873}},
        "pictures": json.loads(json.dumps(picture_values(answers))),
    }  # fmt: skip
    return {picture.title.partition(":")[0]: picture for picture in pictures(card)}


def test_pictures_of_two_classes_say_what_they_show(toy_store: ModelStore) -> None:
    answers = judged("two")
    truth, called = answers.truth, answers.predicted
    found, right = (
        f"{100 * (truth & called).sum() / total.sum():.0f}" for total in (truth, called)
    )

    seen = drawn(toy_store, "two")

    assert ["Right and wrong answers", "ROC curve", "Precision and recall", "Calibration"] == [
        *seen
    ]
    count = int((truth == called).sum())
    assert (
        f"It is right for {count} of {ROWS} held-out"
        in seen["Right and wrong answers"].sentences[0]
    )
    first, second = seen["ROC curve"].sentences
    assert "one paid back and one not" in first
    assert "in 87 of 100 cases" in first
    assert f"finds {found} of 100 records that are paid back" in second
    assert (
        f"Of 100 records that it calls paid back, {right} are."
        in (seen["Precision and recall"].sentences[0])
    )
    stated, share, rows = seen["Calibration"].rows[0]
    assert stated.endswith("%")
    assert share.endswith("%")
    assert 0 < int(rows) <= 50


def test_precision_when_no_record_is_called_positive_is_not_stated(
    toy_store: ModelStore,
) -> None:
    answers = judged("two")
    never = replace(answers, predicted=np.zeros_like(answers.predicted))

    picture = drawn(toy_store, "two", never)["Precision and recall"]

    assert "At its threshold it calls none of the records paid back." == picture.sentences[0]
    assert not picture.dots


def test_pictures_of_several_classes_and_of_numbers_say_what_they_show(
    toy_store: ModelStore,
) -> None:
    three, numbers = drawn(toy_store, "three"), drawn(toy_store, "numbers")

    assert ["Right and wrong answers", "Calibration"] == [*three]
    assert 9 == len(three["Right and wrong answers"].cells)
    assert "of those answers are right" in three["Calibration"].sentences[1]
    assert ["True values by prediction", "Errors by prediction"] == [*numbers]
    assert 10 == len(numbers["Errors by prediction"].rows)
    answers = judged("numbers")
    middle = np.argsort(answers.predicted, kind="stable")[ROWS // 2 : ROWS // 2 + ROWS // 10]
    low, high = np.quantile(answers.truth[middle], [0.1, 0.9])
    named = re.findall(r"[\d,.]+\d", numbers["True values by prediction"].sentences[0])
    assert [low, high] == pytest.approx(
        [float(text.replace(",", "")) for text in named[1:3]], abs=0.6
    )


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [(0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1"]), (-7, 12, ["-5", "0", "5", "10"]),
     (1200, 15_000, ["5000", "10,000", "15,000"])],
)  # fmt: skip
def test_ticks_are_round_numbers_within_the_axis(
    low: float, high: float, written: list[str]
) -> None:
    ticks = Scale(low, high, 0, 100).ticks()

    assert written == [text for _, text in ticks]
    assert all(0 <= place <= 100 for place, _ in ticks)


def test_page_draws_each_picture_with_its_words_and_its_numbers(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    version = toy_store.promoted("parcel")
    page = toy_client.get(f"/v0/models/parcel/versions/{version}", headers=BROWSER).text

    assert 2 == page.count('<svg viewBox="0 0 260 210" role="img"')
    assert 2 == page.count("<summary>The numbers</summary>")
    assert 'aria-label="Right and wrong answers. It is right for ' in page
    assert not re.search(r"style=|<script", page)


def test_page_of_an_older_version_has_no_pictures(toy_store: ModelStore) -> None:
    card: Any = {**toy_store.read_card("parcel")}
    del card["pictures"]

    assert [] == pictures(card)


def test_names_of_classes_are_cut_to_their_room_and_numbered_where_columns_are_narrow() -> None:
    few, many = ["not approved", "Aerolineas Argentinas"], [f"Airline {at}" for at in range(30)]

    assert ["not approved", "Aerolineas …"] == beside(few, 78, 70, 80)
    assert ["not approved", "Aerolineas …"] == beneath(few, 78)
    assert ["1 Airline 0", "", "", "4 Airline 3"] == beside(many, 5.2, 4.7, 80)[:4]
    assert ["1", "", "", "4"] == beneath(many, 5.2)[:4]


def test_ticks_of_pictures_have_no_stroke_that_would_smear_them(
    toy_client: FlaskClient, toy_store: ModelStore
) -> None:
    version = toy_store.promoted("parcel")
    page = toy_client.get(f"/v0/models/parcel/versions/{version}", headers=BROWSER).text

    marks = re.findall(r'<text [^>]*class="([a-z ]+)"', page)
    assert "centred" in marks
    for mark in {*" ".join(marks).split()}:
        assert not re.search(rf"(?<!line)\.{mark} {{[^}}]*stroke", page), mark
