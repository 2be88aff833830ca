"""Templates of the description: what is filled in, left out and missed."""

from typing import Any

import pytest

from engine.api.openapi.template import fill
from engine.api.statuses import STATUSES

FAILURE: dict[str, Any] = {"content": {"text/plain": {}}}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("<model>", {"a": 1}),
        (["<width>", "x<width>y"], [3, "x3y"]),
        ({"<width>/x": "<width>"}, {"3/x": 3}),
        ({"a": 1, "...": {"b": "<width>"}, "c": 2}, {"a": 1, "b": 3, "c": 2}),
        ({"/{name}": True}, {"/{name}": True}),
    ],
)
def test_template_when_filled_has_the_values(template: Any, filled: Any) -> None:
    assert filled == fill(template, {"model": {"a": 1}, "width": 3}, FAILURE)


def test_template_when_it_has_failures_describes_each() -> None:
    filled = fill({"200": {}, "failures": [404, 503], "x": {}}, {}, FAILURE)

    assert ["200", "404", "503", "x"] == [*filled]
    assert {"description": STATUSES[404].meaning, **FAILURE} == filled["404"]


def test_template_when_a_value_is_missing_leaves_out_examples_and_paths() -> None:
    template = {"example": {"record": ["<record>"]}, "<route>": {}, "schema": {}}

    assert {"schema": {}} == fill(template, {}, FAILURE)


def test_template_when_any_other_value_is_missing_is_refused() -> None:
    with pytest.raises(KeyError, match="record"):
        fill({"schema": "<record>"}, {}, FAILURE)
