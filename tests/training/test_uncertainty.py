"""When a card says nothing of how sure its answers are."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from engine.training.finish import Trained
from engine.training.split import Split
from engine.training.train import train
from engine.training.uncertainty import uncertainty
from tests.support.toys import rent


def trained(**changes: Any) -> Trained:
    definition = replace(rent.definition, **changes)
    quietly = nullcontext(lambda text: None)
    return train(
        "rent", definition, definition.sample, step=lambda title: quietly, with_importances=False
    )


@pytest.mark.slow
def test_intervals_when_the_model_file_turns_them_off_are_not_on_the_card() -> None:
    assert {} == trained(interval=False).card["uncertainty"]


def test_intervals_when_the_model_may_know_the_rows_are_not_given() -> None:
    nothing: Any = None
    judged: Any = type("Judged", (), {"classes": None})

    entry, coded = uncertainty(
        rent.definition, nothing, nothing, Split(nothing, nothing, "none"), judged, nothing
    )

    assert {"remark": "the model may have learnt from the rows that judge it"} == entry
    assert coded is None
