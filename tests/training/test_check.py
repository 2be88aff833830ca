"""The checks of a model file: what passes, and what each of them finds."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import models
from engine.schema import ModelDefinition
from engine.training.check import check_model
from tests.support.models import TOYS
from tests.support.toys import coin, rent

CHECKS = 6


def failure(definition: ModelDefinition) -> str:
    """Return what the last check finds, all those before it having passed."""
    *passed, last = check_model("peculiar", definition)
    assert all(result.is_passed for result in passed)
    assert not last.is_passed
    return last.text


@pytest.mark.parametrize("name", TOYS)
def test_model_when_it_is_sound_passes_every_check_in_a_line_each(name: str) -> None:
    results = [*check_model("peculiar", TOYS[name])]

    assert [True] * CHECKS == [result.is_passed for result in results], results
    assert not [result.text for result in results if "\n" in result.text]


def with_table(change: Any) -> ModelDefinition:
    return replace(rent.definition, load_data=lambda path: change(rent.load_data(path)))


def test_table_when_it_is_not_there_is_named() -> None:
    text = failure(replace(rent.definition, sample=Path("data/nowhere.csv")))

    assert "there is no table data/nowhere.csv: put it there, or correct `sample`" == text


def test_column_when_it_is_missing_is_named_with_its_field() -> None:
    text = failure(with_table(lambda table: table.rename(columns={"area": "aera"})))

    assert "column 'area' of field 'area' is missing" in text
    assert "aera" in text


def test_column_when_no_field_uses_it_is_named_and_passes() -> None:
    results = [*check_model("peculiar", with_table(lambda table: table.assign(owner="Ada")))]

    assert results[1].text.endswith("; no field uses owner")


def test_value_when_it_does_not_fit_is_named_with_its_row() -> None:
    text = failure(with_table(lambda table: table.assign(city="Lima")))

    assert "column 'city' (field 'city'): is 'Lima'" in text


def boom(*_: Any) -> Any:
    raise KeyError("price")


def test_load_data_when_it_ends_the_program_is_a_sentence() -> None:
    text = failure(replace(rent.definition, load_data=lambda path: sys.exit("no table today")))

    assert "models/peculiar.py: reading the table ends with SystemExit: " in text
    assert "sys.exit('no table today')" in text


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("engine.schem", "there is no module engine.schem: correct its name in the import"),
        ("sklearn.ensembl", "there is no module sklearn.ensembl: correct its name in the import"),
        ("no_such_package.part", "no_such_package is not installed: add it to Pipfile"),
    ],
)
def test_import_when_it_fails_tells_a_wrong_name_from_a_missing_package(
    module: str, said: str
) -> None:
    text = failure(replace(rent.definition, load_data=lambda path: importlib.import_module(module)))

    assert said in text


def test_code_of_the_model_file_when_it_fails_is_a_sentence() -> None:
    text = failure(with_table(boom))
    assert "models/peculiar.py: reading the table ends with KeyError: 'price'" == text
    text = failure(replace(rent.definition, build_pipeline=boom))
    assert "models/peculiar.py: build_pipeline ends with KeyError: 'price'" == text


PECULIAR = """
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

def rank(X):
    return pd.DataFrame(X).rank()

class Endless(LinearRegression):
    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] == 55.5, np.inf, super().predict(X))
"""


@pytest.fixture
def peculiar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model file with a step that looks at the other rows, and one that answers infinity."""
    (tmp_path / "peculiar.py").write_text(PECULIAR)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    yield importlib.import_module("models.peculiar")
    del sys.modules["models.peculiar"]


def line(*steps: Any, last: Any) -> Pipeline:
    """Build a pipeline over the numbers of rent."""
    numbers = ColumnTransformer([("numbers", "passthrough", ["area", "rooms"])])
    named = [(str(place), step) for place, step in enumerate(steps)]
    return Pipeline([("numbers", numbers), *named, ("line", last)])


def test_row_when_its_answer_depends_on_the_other_rows_is_found(peculiar: Any) -> None:
    def build() -> Pipeline:
        return line(FunctionTransformer(peculiar.rank), last=LinearRegression())

    text = failure(replace(rent.definition, build_pipeline=build))

    assert text.startswith("a row gets answers alone and among others that differ by ")


def test_record_when_the_fields_accept_it_and_the_pipeline_does_not_is_found() -> None:
    def build() -> Pipeline:
        return Pipeline([("logit", LogisticRegression())])

    fields = tuple(replace(field, missing="accept") for field in coin.fields)

    text = failure(replace(coin.definition, build_pipeline=build, fields=fields))

    assert text.startswith("the pipeline refuses a record that the fields accept: ")
    assert "an imputer" in text


def test_answer_when_it_is_not_a_number_is_found(peculiar: Any) -> None:
    """The example, which alone is answered so, is not in the table."""

    def build() -> Pipeline:
        return line(last=peculiar.Endless())

    assert "is not a number" in failure(replace(rent.definition, build_pipeline=build))


def test_pipeline_when_it_cannot_be_stored_is_found() -> None:
    def build() -> Pipeline:
        return line(FunctionTransformer(lambda X: X), last=LinearRegression())

    text = failure(replace(rent.definition, build_pipeline=build))

    assert text.startswith("the pipeline cannot be stored: step '0', FunctionTransformer.func")
