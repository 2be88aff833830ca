"""Made-up rows whose answers a version gives again, and no real row in its files."""

import io
import json
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.runtime.loading import check_version, load_version
from engine.schema.fields import UNKNOWN, Category, Flag, Number
from engine.schema.kinds.category import UNHEARD_OF
from engine.schema.record_schema import Schema
from engine.training.export.golden import ROWS, golden_records
from engine.training.split import split_rows
from engine.training.table import read_table
from engine.training.train import train
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact
from tests.support.models import TOYS, in_silence, unstored
from tests.support.project import ROOT
from tests.support.runtimes import RUN_FILE
from tests.support.toys import parcel

TOY_NAMES = sorted(TOYS)

KEPT = ROOT / "tests/support/versions"

#: A training row that is told by its values from every other.
CANARY: dict[str, Any] = {
    "weight": 73.2187543, "pieces": 31, "height": 151.7263549, "colour": "green",
    "shape": "canary-shape-5193", "fragile": True, "express": True, "size": "large",
}  # fmt: skip
CUSTOMER = "canary-customer-8127"


@pytest.mark.parametrize("name", TOY_NAMES)
def test_card_when_written_has_rows_that_its_schema_accepts(
    toy_store: ModelStore, name: str
) -> None:
    card = toy_store.read_card(name)
    schema = Schema.from_json(card["schema"])

    records = [one["record"] for one in card["golden"]]

    assert ROWS == len(records)
    assert all({field.name for field in schema.fields} == set(one) for one in records)
    assert ROWS == len(schema.columns(records)[schema.fields[0].name])
    assert records == golden_records(schema.fields, seed=card["seed"])


@pytest.mark.parametrize("name", TOY_NAMES)
def test_golden_rows_when_asked_one_by_one_answer_as_recorded(
    toy_store: ModelStore, name: str
) -> None:
    version = load_version(toy_store, name)

    for one in version.card["golden"]:
        (answer,) = version.predict(version.schema.columns([one["record"]]))
        assert pytest.approx(one["value"]) == answer.value
        assert (one["probabilities"] is None) == (answer.probabilities is None)
        assert pytest.approx(one["probabilities"] or []) == list(answer.probabilities or ())


def test_records_when_drawn_have_what_the_policies_accept() -> None:
    fields = parcel.fields
    drawn = [one for seed in range(40) for one in golden_records(fields, seed=seed)]

    values = {field.name: [one[field.name] for one in drawn] for field in fields}
    assert None in values["height"]
    assert None in values["shape"]
    assert None not in values["weight"]
    assert UNHEARD_OF in values["shape"]
    assert UNHEARD_OF not in values["colour"]
    assert "vermelho" in values["colour"]
    assert max(values["pieces"]) > 50
    assert 0 <= min(values["weight"]) < max(values["weight"]) <= 100
    assert {True, False} == set(values["fragile"])
    assert all(isinstance(one, int) for one in values["pieces"])
    assert UNKNOWN in Schema(fields, parcel.target).columns(drawn)["shape"]


@pytest.mark.parametrize(
    "field",
    [
        Number(name="x", example=1e300), Number(name="x", example=-3, maximum=-1),
        Number(name="x", example=0), Number(name="x", example=5, minimum=5, maximum=5),
        Number(name="x", example=2e15, minimum=1.5e15), Number(name="x", example=-7),
        Number(name="x", example=-1e308, minimum=-1.7e308, maximum=1.7e308),
        Number(name="x", example=1, integer=True, minimum=0.5, maximum=1.5),
        Number(name="x", example=2, integer=True, maximum=2, out_of_range="accept"),
        Number(name="x", example=2, integer=True, minimum=2, out_of_range="accept"),
        Number(name="x", example=0.1, minimum=0.1, maximum=0.1000000000001),
        Category(name="x", example="a", categories=("a",)), Flag(name="x", example=True),
    ],
)  # fmt: skip
def test_records_when_a_range_is_odd_are_accepted(field: Any) -> None:
    schema = Schema((field,), Flag(name="y", example=True))

    for seed in range(20):
        clean = schema.columns(golden_records((field,), seed=seed))["x"]
        assert ROWS == len(clean)
        assert all(isinstance(one, str) or math.isfinite(one) for one in clean)


@pytest.mark.parametrize("runtime", ["parcel", "rent", "coin"])
def test_version_when_a_golden_row_answers_otherwise_is_not_served(
    toy_store: ModelStore, tmp_path: Path, runtime: str
) -> None:
    store = ModelStore(tmp_path)
    card = toy_store.read_card(runtime)
    folder = toy_store.root / runtime / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    body = unstored(card)
    rows = [dict(one) for one in body["golden"]]
    value = rows[5]["value"]
    others = [one for one in card["classes"] or [value * 1.001 + 1] if one != value]
    rows[5]["value"] = others[0]
    wrong = store.write({**body, "golden": rows}, files)
    right = store.write(body, files)

    with pytest.raises(UntrustedArtifact, match="golden row 6 answers"):
        load_version(store, runtime, wrong).verify()
    assert "golden row 6 answers" in str(check_version(store, runtime, wrong))
    load_version(store, runtime, right).verify()
    assert check_version(store, runtime, right) is None


@pytest.mark.parametrize(
    "path", sorted(KEPT.glob("format_[12]/*/promoted.json")), ids=lambda p: p.parts[-3]
)
def test_version_when_of_before_is_served_by_its_example(path: Path) -> None:
    store = ModelStore(path.parent.parent)
    version = store.promoted("toy")

    assert "golden" not in store.read_card("toy")
    load_version(store, "toy", version).verify()


def with_canary(path: Path) -> pd.DataFrame:
    table = parcel.load_data(path)
    digits = np.random.default_rng(5).uniform(0.99, 1, len(table))
    table = table.assign(weight=table["weight"] * digits, height=table["height"] * digits)
    table["customer"] = [f"customer-{place}" for place in range(len(table))]
    table.loc[17] = {**CANARY, "customer": CUSTOMER}
    return table


@pytest.mark.slow
def test_version_when_trained_has_no_row_of_the_table_in_any_file(tmp_path: Path) -> None:
    definition = replace(parcel.definition, load_data=with_canary)
    trained = train("parcel", definition, definition.sample, step=in_silence)
    store = ModelStore(tmp_path)
    version = store.write(trained.card, trained.files)
    numbers = [CANARY["weight"], CANARY["height"]]
    written = [repr(one).encode() for one in numbers]
    written += [struct.pack(f"<{kind}", one) for one in numbers for kind in "df"]
    written += [CANARY["shape"].encode(), CUSTOMER.encode(), b"customer-"]

    X, y, _ = read_table(with_canary(definition.sample), definition.schema)
    _, held_out, _ = split_rows(X, y, seed=definition.seed, is_classification=True)
    assert 17 not in held_out  # it was learnt from
    seen = dict(contents(tmp_path / "parcel" / version))
    assert {"card.json", RUN_FILE, "model.skops", "report.html"} <= set(seen)
    assert [] == [
        (name, one) for name, content in seen.items() for one in written if one in content
    ]
    table = with_canary(definition.sample)
    every = table["weight"].tolist() + table["height"].dropna().tolist()
    assert [] == [
        (name, number) for name, content in seen.items() if "skops" not in name
        for number in every if repr(number).encode() in content
    ]  # fmt: skip
    card = json.loads(seen["card.json"])
    rows = with_canary(definition.sample)[list(definition.schema.example())]
    real = {tuple(map(str, row)) for row in rows.itertuples(index=False)}
    assert not real & {tuple(map(str, one["record"].values())) for one in card["golden"]}


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give the files of a version, and those within a skops file."""
    for path in folder.iterdir():
        content = path.read_bytes()
        yield path.name, content
        if path.suffix == ".skops":
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                yield from ((f"{path.name}/{one}", file.read(one)) for one in file.namelist())
