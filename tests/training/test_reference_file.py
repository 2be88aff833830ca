"""The reference of a version: what the rows looked like that it learnt from."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import pandas as pd
import pytest

from engine.runtime.loading import load_version
from engine.runtime.reference import FILE, parse_reference
from engine.schema import Category, Date, Flag, ModelDefinition, Number, Text
from engine.schema.fields import MISSING, UNKNOWN
from engine.schema.record_schema import Schema
from engine.scoring.judged import HeldOutAnswers
from engine.training.reference_file import SAMPLE, write_reference
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact

FIELDS = (
    Number(name="age", example=1, integer=True, minimum=0, maximum=50, out_of_range="accept"),
    Category(name="work", categories=("a", "b"), example="b", unknown="accept", missing="accept"),
    Flag(name="late", example=True, missing="accept"),
    Date(name="day", example="2024-05-17"),
    Text(name="note", example="hello", missing="accept"),
)
JUDGED = HeldOutAnswers(np.zeros(3), np.array([5.0, 1.0, 2.0]))
DAY = 86_400.0


def definition_of(fields: tuple[Any, ...] = FIELDS) -> ModelDefinition:
    target = Number(name="price", example=1)
    return cast("ModelDefinition", SimpleNamespace(schema=Schema(fields, target), seed=7))


def written(X: pd.DataFrame, judged: HeldOutAnswers = JUDGED) -> Any:
    return json.loads(write_reference(definition_of(), X, judged))


ROWS = pd.DataFrame({
    "age": [40.0, 70.0, 2.0, 30.0], "work": ["a", UNKNOWN, MISSING, UNKNOWN],
    "late": [np.nan, 1.0, 1.0, 0.0], "day": [DAY, 0.0, 3 * DAY, 2 * DAY],
    "note": ["ab", "", "c", "my name"],
})  # fmt: skip


def test_reference_when_written_describes_each_field_by_itself() -> None:
    reference = written(ROWS)

    assert {
        "age": {"sample": [2, 30, 40, 70], "decimals": 1, "outside": 1},
        "work": {"counts": {"a": 1, "b": 0}, "missing": 1, "unknown": 2},
        "late": {"sample": [0, 1, 1], "decimals": 3, "missing": 1},
        "day": {"sample": [0, DAY, 2 * DAY, 3 * DAY], "decimals": -2},
        "note": {"sample": [1, 2, 7], "decimals": 2, "missing": 1},
    } == reference["fields"]
    assert (1, 4) == (reference["format"], reference["rows"])
    assert reference == msgspec.to_builtins(parse_reference(json.dumps(reference).encode()))
    assert [1, 2, 5] == reference["answers"]["sample"]


def test_typical_record_when_read_is_of_values_that_the_fields_accept() -> None:
    typical = written(ROWS)["typical"]

    assert {"age": 30, "late": True, "day": "1970-01-02", "note": "hello"} == {
        name: typical[name] for name in ("age", "late", "day", "note")
    }
    assert all(field.read(typical[field.name])[1] is None for field in FIELDS)


def test_typical_value_when_most_rows_have_a_gap_is_a_gap() -> None:
    gaps = ROWS.assign(late=[np.nan, np.nan, np.nan, 1.0], work=MISSING)

    typical = written(gaps)["typical"]

    assert (None, None) == (typical["late"], typical["work"])


def test_sample_when_there_are_many_rows_is_small_and_tells_no_row() -> None:
    many = pd.concat([ROWS] * 1000, ignore_index=True)
    many["age"] = np.arange(4000.0)
    many["day"] = np.arange(4000.0) * DAY

    fields = written(many)["fields"]

    ages, days = (np.array(fields[name]["sample"]) for name in ("age", "day"))
    assert SAMPLE == len(ages)
    assert (np.diff(ages) >= 0).all()
    # Each field has drawn rows of its own; 4,000 days are rounded to more than one.
    assert not (np.round(ages * DAY, -5) == days).all()
    assert written(many) == written(many)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_numbers_when_kept_have_no_more_digits_than_the_step(scale: float) -> None:
    numbers = np.random.default_rng(2).lognormal(0, 2, 700) * scale
    rows = pd.concat([ROWS] * 175, ignore_index=True).assign(age=numbers)
    fields = (Number(name="age", example=1, minimum=scale / 1e6), *FIELDS[1:])
    judged = HeldOutAnswers(numbers[::-1], numbers)

    reference = json.loads(write_reference(definition_of(fields), rows, judged))

    entry, answers = reference["fields"]["age"], reference["answers"]
    low, high = np.quantile(numbers, [0.1, 0.9])
    assert 300 < (high - low) * 10.0 ** entry["decimals"] < 4000
    kept = [*entry["sample"], *answers["sample"], *answers["edges"], reference["typical"]["age"]]
    assert all(number == float(f"{number:.{max(entry['decimals'], 0)}f}") for number in kept)
    assert not {*numbers.tolist(), *(numbers[::-1] - numbers).tolist()} & {
        *kept, *(each for bin_ in answers["residuals"] for each in bin_ if each),
    }  # fmt: skip
    assert np.abs(np.sort(numbers) - entry["sample"]).max() <= 0.51 * 10.0 ** -entry["decimals"]


def test_typical_number_when_rounding_leaves_the_range_is_its_end() -> None:
    rows = ROWS.assign(age=[0.051, 0.052, 0.053, 900.0])
    field = Number(name="age", example=1, minimum=0.0505)

    reference = json.loads(write_reference(definition_of((field, *FIELDS[1:])), rows, JUDGED))

    assert 0.0505 == reference["typical"]["age"]


def test_answers_when_there_are_classes_are_counted() -> None:
    shares = np.array([[0.2, 0.8], [0.9, 0.1]])
    judged = HeldOutAnswers(np.array([1, 0]), np.array([True, False]), shares, [False, True], True)

    answers = written(ROWS, judged)["answers"]

    assert (2, {"false": 1, "true": 1}) == (answers["rows"], answers["counts"])
    assert [0.1, 0.8] == answers["positive"]


def test_version_when_opened_has_its_reference(toy_store: ModelStore) -> None:
    version = load_version(toy_store, "parcel")

    reference = version.reference

    assert reference is not None
    assert version.card["data"]["training_rows"] == reference.rows
    assert version.card["data"]["held_out_rows"] == reference.answers.rows
    assert [field.name for field in version.schema.inputs] == [*reference.fields]
    assert len(version.predict(version.schema.columns([reference.typical]))) == 1


def test_version_when_its_reference_was_changed_is_refused(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    version = toy_store.promoted("parcel")
    folder = tmp_path / "parcel" / version
    folder.mkdir(parents=True)
    for file in (toy_store.root / "parcel" / version).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / FILE).write_bytes((folder / FILE).read_bytes().replace(b"1", b"2", 1))

    with pytest.raises(UntrustedArtifact, match=r"reference\.json of .* differs from the digest"):
        load_version(ModelStore(tmp_path), "parcel", version)


def test_reference_when_of_a_newer_format_is_refused() -> None:
    newer = {**written(ROWS), "format": 2}

    with pytest.raises(UntrustedArtifact, match="has format 2, this code reads 1"):
        parse_reference(json.dumps(newer).encode())
