"""Rows that break a policy or a rule are set aside, up to the share that is declared."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from engine.cards.facts import limits
from engine.runtime.loading import load_version
from engine.schema import Category, ModelDefinition, Number
from engine.training.table import InvalidTable, read_table, read_training_rows
from engine.training.table_check import check_table
from engine.training.table_report import write_table_report
from engine.training.train import train
from persistence.model_persistence import ModelStore

BEER = ModelDefinition(
    title="Beers",
    fields=(
        Number(name="og", column="Gravity", example=1050.0, minimum=990, maximum=1200),
        Number(name="fg", example=1010.0, missing="accept"),
        Category(name="kind", example="ale", categories=("ale", "lager")),
        Number(name="secret", example=1.0, minimum=0, private=True),
    ),
    target=Number(name="ibu", example=40.0, maximum=200, column="IBU"),
    sample=Path("beers.csv"), load_data=pd.read_csv, score="rmse",
    build_pipeline=lambda: make_pipeline(LinearRegression()),
    set_aside=0.1, rules=("fg <= og",),
)  # fmt: skip


def make_table(rows: int = 60) -> pd.DataFrame:
    """Return rows of which the first six are broken: by cells, a gap, the rule, the target."""
    table = pd.DataFrame(
        {
            "Gravity": np.linspace(1040, 1080, rows), "fg": 1010.0, "secret": 1.0,
            "kind": ["ale", "lager"] * (rows // 2), "IBU": np.linspace(10, 90, rows),
        }
    )  # fmt: skip
    table.loc[0, "Gravity"] = 79.0
    table["kind"] = table["kind"].where(table.index != 1, "<script>alert(1)</script>")
    table.loc[2, "fg"] = 1200.0
    table.loc[3, "IBU"] = np.nan
    table.loc[4, "IBU"] = 1157.0
    table.loc[5, "secret"] = -77.0
    table.loc[7, "fg"] = np.nan  # breaks no rule
    return table


REASONS = {
    "og: out of range": 1, "kind: unknown category": 1, "secret: out of range": 1,
    "ibu: missing": 1, "ibu: out of range": 1, "fg <= og": 2,
}  # fmt: skip


def test_rows_when_they_are_few_enough_are_set_aside_and_counted_by_reason() -> None:
    table = make_table()
    table.loc[1, "fg"] = 1300.0  # the second reason of this row

    rows = read_training_rows(table, BEER)

    kept = table.iloc[6:].reset_index(drop=True)
    assert {"most": 0.1, "rules": ["fg <= og"], "rows": 6, "reasons": REASONS} == rows.set_aside
    assert "fg <= og" == next(iter(rows.set_aside["reasons"]))  # the most frequent one
    pd.testing.assert_frame_equal(kept, rows.table, check_dtype=False)
    X, y, _ = read_table(kept, BEER.schema)
    pd.testing.assert_frame_equal(X, rows.X)
    pd.testing.assert_series_equal(y, rows.y)


def test_rows_when_one_more_is_broken_refuse_the_table_with_every_reason() -> None:
    table = make_table()
    table.loc[59, "Gravity"] = 1.0

    with pytest.raises(InvalidTable) as caught:
        read_training_rows(table, BEER)

    first, *others = caught.value.problems
    assert first.startswith(
        "7 of 60 rows break the rules of the data (11.7%); at most 10% may be set aside: "
        "og: out of range (2), "
    )
    assert all(f"{reason} (" in first for reason in REASONS)
    assert "row 3: the rule fg <= og does not hold" in others
    assert 7 == len(others)


def test_table_when_nothing_is_declared_is_refused_for_a_single_row() -> None:
    with pytest.raises(InvalidTable) as caught:
        read_training_rows(make_table(), replace(BEER, set_aside=0.0))

    assert 6 == len(caught.value.problems)
    assert "row 3: the rule fg <= og does not hold" == caught.value.problems[-1]


def test_table_when_a_column_is_missing_is_refused_whatever_may_be_set_aside() -> None:
    with pytest.raises(InvalidTable, match="column 'Gravity' of field 'og' is missing"):
        read_training_rows(make_table().drop(columns="Gravity"), replace(BEER, set_aside=1.0))


def test_rows_when_none_is_left_refuse_the_table() -> None:
    table = make_table()
    table["Gravity"] = 1.0

    with pytest.raises(InvalidTable, match="the table has no rows"):
        read_training_rows(table, replace(BEER, set_aside=1.0))


def test_rejected_row_when_asked_why_has_all_its_reasons_and_values() -> None:
    table = make_table()
    table.loc[2, "IBU"] = None

    reasons = check_table(table, BEER.schema, BEER.rules).row_reasons()

    assert [0, 1, 2, 3, 4, 5] == [*reasons]
    assert [
        "ibu is required: send a number of at most 200",
        f"fg <= og does not hold: fg is 1200.0, og is {table['Gravity'][2]}",
    ] == reasons[2]


def test_rows_when_they_are_to_be_predicted_need_no_target_and_no_rule_of_it() -> None:
    table = make_table().drop(columns="IBU")

    check = check_table(table, BEER.schema, ("fg <= og", "ibu < og"), has_target=False)

    assert {0, 1, 2, 5} == {*check.row_reasons()} and check.is_readable


def test_report_shows_columns_reasons_and_rejected_values_but_none_of_a_private_field() -> None:
    check = check_table(make_table(), BEER.schema, BEER.rules)

    page = write_table_report("beers", BEER, "beers <b>.csv", check).decode()

    for text in (
        "The table fits", "6 of 60 rows are set aside (10%)", "up to 10%", "broken in row 3",
        "is 79.0, out of range", "1040", "1080", "ale (", "<td class=\"number\">1 (1.67%)",
        "&lt;script&gt;alert(1)", "beers &lt;b&gt;.csv", "(target)",
    ):  # fmt: skip
        assert text in page, text
    assert "<script" not in page and "-77" not in page and "http" not in page
    refused = write_table_report("beers", replace(BEER, set_aside=0.05), "b", check).decode()
    assert "The table does not fit" in refused and "at most 5% may be set aside" in refused


@contextmanager
def listened(said: list[str]) -> Iterator[Any]:
    yield said.append


@pytest.mark.slow
def test_version_when_rows_were_set_aside_says_so_wherever_it_is_described(tmp_path: Path) -> None:
    path = tmp_path / "beers.csv"
    said: list[str] = []
    make_table(200).to_csv(path, index=False)
    definition = replace(
        BEER, fields=(*BEER.fields[:2], BEER.fields[3]),
        build_pipeline=lambda: make_pipeline(SimpleImputer(), LinearRegression()),
    )  # fmt: skip

    trained = train("beers", definition, path, step=lambda title: listened(said))

    store = ModelStore(tmp_path / "store")
    store.promote("beers", store.write(trained.card, trained.files))
    entry = load_version(store, "beers").card["data"]
    assert (195, 5) == (entry["rows"], entry["set_aside"]["rows"])
    assert 195 == entry["training_rows"] + entry["held_out_rows"]
    sentence = "5 of 200 rows are set aside (2.5%): "
    assert any(sentence in line for line in said)
    assert any(sentence in limit for limit in limits(trained.card))
    assert sentence.encode() in trained.files["report.html"]
    assert b"5 more set aside" in trained.files["report.html"]
    assert b"5 more set aside" in trained.files["model-card.md"]
