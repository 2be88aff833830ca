"""Real tables that have drifted: later months of the flights, and beers that came later."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.monitoring.drift import Report, Window, compare
from engine.runtime.reference import parse_reference
from engine.schema import Category, Number
from engine.schema.fields import UNKNOWN, Field
from engine.schema.record_schema import Schema
from engine.scoring.judged import HeldOutAnswers
from engine.training.reference_file import write_reference
from tests.support.project import ROOT

FOLDER = ROOT.parent / "shared/data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the real tables are not here"),
]


def compared(fields: tuple[Field, ...], learnt: pd.DataFrame, later: pd.DataFrame) -> Report:
    """Compare rows with those learnt from; the answers are the same number for all of them."""
    schema = Schema(fields, Number(name="target", example=1))
    definition: Any = type("Definition", (), {"schema": schema, "seed": 0})
    content = write_reference(definition, learnt, answers(len(learnt)))
    card: Any = {"model": "real", "version": "1", "schema": schema.to_json(), "classes": None}
    columns = {field.name: later[field.name].to_numpy() for field in fields}
    return compare(card, parse_reference(content), Window(columns, answers(len(later))))


def answers(rows: int) -> HeldOutAnswers:
    return HeldOutAnswers(np.ones(rows), np.ones(rows))


def beers(name: str) -> pd.DataFrame:
    table = pd.DataFrame(json.loads((FOLDER / "beers" / name).read_text()))
    return table.assign(**{field.name: pd.to_numeric(table[field.name]) for field in BEER})


BEER = tuple(
    Number(name=name, example=1.0, missing="accept")
    for name in ("abv", "target_fg", "target_og", "ebc", "srm", "ph")
)


def test_beers_when_later_ones_are_compared_have_shifted() -> None:
    learnt, all_of_later = beers("beers_325.json"), beers("beers_v3_415.json")
    new = all_of_later[~all_of_later["name"].isin(learnt["name"])]

    report = compared(BEER, learnt, new)

    shifted = {(each.field, each.what) for each in report.comparisons if each.is_shifted}
    assert {("target_fg", "values"), ("ph", "gaps")} <= shifted
    assert {"abv", "target_og"}.isdisjoint(report.shifted)
    # Three quarters of the whole file are the beers of before.
    assert "none" == compared(BEER, learnt, all_of_later).verdict


def flights() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "flights-scl/flights_scl_2017.csv.gz")
    times = pd.to_datetime(table["Fecha-I"])
    return table.assign(
        month=times.dt.month, hour=times.dt.hour.astype(float), weekday=times.dt.weekday * 1.0
    )


def test_flights_when_months_pass_shift_where_an_airline_is_new() -> None:
    table = flights()
    is_learnt = (table["month"] <= 6) & (np.arange(len(table)) % 2 == 0)
    airlines = tuple(sorted(table["OPERA"][is_learnt].unique()))
    fields = (
        Number(name="hour", example=1.0),
        Number(name="weekday", example=1.0),
        Category(name="OPERA", example=airlines[0], categories=airlines, unknown="accept"),
        Category(name="TIPOVUELO", example="I", categories=("I", "N")),
    )
    table["OPERA"] = table["OPERA"].where(table["OPERA"].isin(airlines), UNKNOWN)

    def shifted(months: set[int]) -> list[str]:
        later = table[table["month"].isin(months) & ~is_learnt]
        return compared(fields, table[is_learnt], later).shifted

    assert [] == shifted({1, 2, 3, 4, 5, 6})
    assert [] == shifted({7})
    assert ["OPERA"] == shifted({10}) == shifted({12})
