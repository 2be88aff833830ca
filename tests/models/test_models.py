"""The contract that every model keeps, shown on those of the tests, and how files are found."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import models
from engine.records.media_types import JSON
from engine.runtime.loading import load_version
from engine.runtime.version import StoredVersion
from engine.schema import ModelDefinition, Number
from engine.serving.model_cache import ModelCache
from engine.serving.observers import Observers
from engine.serving.prediction import Predictor
from engine.serving.request import PredictRequest
from engine.serving.selection import ServedVersion
from persistence.model_persistence import ModelStore
from tests.support.models import TOYS


class Held(ModelCache):
    """One version in memory, and no store."""

    def __init__(self, version: StoredVersion) -> None:
        super().__init__(ModelStore(Path("nowhere")), version.name)
        self._served[version.name] = ServedVersion(version.version, None, None)
        self._versions[version.name, version.version] = version


@pytest.fixture(scope="module", params=[*TOYS, "credit"])
def built(request: pytest.FixtureRequest) -> StoredVersion:
    """A version of a toy, or of the sample where it is as delivered."""
    is_toy = request.param in TOYS
    store = request.getfixturevalue("toy_store" if is_toy else "credit_store")
    return load_version(store, request.param)


def definition_of(version: StoredVersion) -> ModelDefinition:
    return TOYS[version.name] if version.name in TOYS else models.find(version.name)


def ask(version: StoredVersion, body: Any) -> Any:
    predictor = Predictor(Held(version), Observers())
    request = PredictRequest(json.dumps(body).encode(), "application/json", "id", version.name)
    content = predictor.answer(predictor.choose(request), JSON)
    assert isinstance(content, bytes)
    return json.loads(content)


@pytest.fixture(scope="module")
def rows(built: StoredVersion) -> list[dict[str, Any]]:
    """Sixty records of the model's own sample, as a client would write them."""
    definition = definition_of(built)
    table = definition.load_data(definition.sample).head(60)
    found = []
    for _, line in table.iterrows():
        record = {}
        for field in definition.fields:
            value = line[field.column]
            plain = value.item() if hasattr(value, "item") else value
            record[field.name] = None if plain != plain else plain
        found.append(record)
    return found


def test_model_when_trained_answers_its_example_as_its_card_says(built: StoredVersion) -> None:
    example = built.card["example"]

    answer = ask(built, example["record"])["prediction"]

    assert built.self_test() is None
    assert example["value"] == answer["value"]
    assert example["probability"] == answer.get("probability")


def test_model_when_trained_has_the_schema_of_its_file(built: StoredVersion) -> None:
    definition = definition_of(built)

    # A limit is no part of the file: the fitted pipeline has it, where the range is open.
    fields = tuple(
        replace(field, limit=None) if isinstance(field, Number) else field
        for field in built.schema.fields
    )
    assert definition.schema == replace(built.schema, fields=fields)
    assert [field.name for field in definition.fields] == list(built.card["reference"])


def test_model_when_asked_row_by_row_answers_as_for_the_batch(
    built: StoredVersion, rows: list[dict[str, Any]]
) -> None:
    batch = ask(built, rows)["predictions"]

    alone = [ask(built, row)["prediction"] for row in rows]

    assert batch == alone


def test_model_when_keys_come_in_another_order_answers_alike(
    built: StoredVersion, rows: list[dict[str, Any]]
) -> None:
    shuffle = random.Random(0).sample  # noqa: S311
    mixed = [dict(shuffle(list(row.items()), len(row))) for row in rows]

    assert ask(built, rows)["predictions"] == ask(built, mixed)["predictions"]


def test_model_when_rows_come_in_another_order_answers_each_alike(
    built: StoredVersion, rows: list[dict[str, Any]]
) -> None:
    forward = ask(built, rows)["predictions"]

    backward = ask(built, rows[::-1])["predictions"]

    assert forward == backward[::-1]


def test_model_when_trained_beats_the_baseline(built: StoredVersion) -> None:
    score = built.card["scores"][built.card["score"]]

    assert score["low"] <= score["value"] <= score["high"]
    assert score["value"] != score["baseline"]


def test_names_when_a_folder_holds_vocabulary_lists_models_only() -> None:
    assert not {"fields", "schema", "__init__"} & set(models.names())
    stems = {path.stem for path in Path(models.__file__).parent.glob("*.py")}
    assert set(models.names()) <= stems


@pytest.mark.parametrize("name", ["nothing", "schema", "fields", "../credit", "", "os"])
def test_find_when_there_is_no_such_model_names_those_there_are(name: str) -> None:
    with pytest.raises(models.UnknownModel) as caught:
        models.find(name)

    assert repr(name) in str(caught.value)


def test_find_when_there_is_no_model_at_all_explains_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "__file__", str(tmp_path / "__init__.py"))

    with pytest.raises(
        models.UnknownModel, match=r"models/ has none; .* make new name=churn from="
    ):
        models.find("credit")
