"""Records are sorted by the fields and rules of a model, as a training would take them."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline

from engine.schema import Category, Date, Flag, ModelDefinition, Number
from engine.schema.definition import InvalidDefinition
from engine.training.cleaning import Cleaner
from persistence.lake import Lake

LOANS = ModelDefinition(
    title="Loans",
    fields=(
        Number(name="age", example=30, integer=True, minimum=18),
        Number(name="low", column="Low", example=1, missing="accept"),
        Number(name="high", example=2),
        Category(name="home", example="rent", categories=("rent", "own"), synonyms={"casa": "own"},
                 unknown="accept", missing="accept"),
        Category(name="grade", example=1, categories=(1, 2)),
        Date(name="since", example="2020-01-31"),
        Number(name="share", example=0.5),
    ),
    target=Flag(name="good", example=True, synonyms={"yes": True, "no": False}),
    rules=("low <= high", "share < 1"),
    load_data=pd.read_csv,
    build_pipeline=lambda: Pipeline([("none", DummyClassifier())]),
    sample=Path("none.csv"),
    score="roc_auc",
)  # fmt: skip
GOOD = {"age": 30, "Low": 1, "high": 2, "home": "casa", "grade": 1, "since": "2020-01-31",
        "good": "yes", "note": {"of": "ours"}}  # fmt: skip


def clean(folder: Path, records: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """Return the rows that fit, and the reasons of the others."""
    lake = Lake(folder, [])
    cleaner = Cleaner(LOANS, key=(), columns={"note": "text"}, derived=frozenset({"share"}))
    assert [] == [*lake.replay()]
    raw = lake.add([(str(n), json.dumps(each).encode()) for n, each in enumerate(records)], {})
    assert raw is not None
    cleaner.clean(raw, lake.objects)
    (path,) = folder.glob("cleaned/*/*/*/*")
    rows = pyarrow.parquet.read_table(io.BytesIO(path.read_bytes())).to_pylist()
    lines = [*folder.glob("rejected/*/*/*/*")]
    rejected = [json.loads(line) for path in lines for line in path.read_text().splitlines()]
    return rows, [each["reasons"] for each in rejected]


def test_record_when_it_fits_is_stored_as_the_fields_read_it(tmp_path: Path) -> None:
    (row,), reasons = clean(tmp_path, [GOOD])

    assert [] == reasons
    expected = {"age": 30, "Low": 1.0, "high": 2.0, "home": "own", "grade": "1",
                "since": "2020-01-31", "good": True, "note": '{"of":"ours"}'}  # fmt: skip
    assert expected == {name: row[name] for name in row if name[0] != "_"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"age": 17}, "age is 17, out of range: send a whole number of at least 18"),
        ({"age": "30.5"}, "age is 30.5: send a whole number of at least 18"),
        ({"high": ""}, "high is required: send a number"),
        ({"Low": 3}, "low <= high does not hold: low is 3.0, high is 2.0"),
        ({"good": None}, "good is required: send true or false"),
        ({"grade": 3}, "grade"),
    ],
)
def test_record_when_it_breaks_a_field_or_a_rule_is_rejected(
    tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    rows, (found,) = clean(tmp_path, [GOOD, {**GOOD, **changed}])

    assert 1 == len(rows)
    assert found[0].startswith(reason)


def test_word_when_unknown_but_accepted_is_stored_itself(tmp_path: Path) -> None:
    rows, _ = clean(tmp_path, [{**GOOD, "home": "boat"}, {**GOOD, "home": "", "Low": None}])

    assert [("boat", 1.0), (None, None)] == [(row["home"], row["Low"]) for row in rows]


def test_records_when_all_are_empty_are_rejected(tmp_path: Path) -> None:
    rows, reasons = clean(tmp_path, [GOOD, {"x": 1}, {"x": 2}])

    assert 1 == len(rows)
    assert [["no column has a value"]] * 2 == reasons


def test_source_when_nothing_says_what_it_has_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="there are no columns"):
        Cleaner(None, key=(), columns={}, derived=frozenset())
