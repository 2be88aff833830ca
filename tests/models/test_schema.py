"""The old address of `engine.schema`, which model files of an earlier release name."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from engine.schema.definition import ModelDefinition

OLD = """
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LinearRegression

from models.schema import Category, Flag, ModelDefinition, Number, Schema

definition = ModelDefinition(
    title="Old", fields=(Number(name="size", example=1),), target=Number(name="price", example=2),
    load_data=lambda path: pd.DataFrame({"size": range(100), "price": range(0, 200, 2)}),
    build_pipeline=LinearRegression, sample=Path("Pipfile"), score="r2",
)
"""


def test_model_file_when_it_names_the_old_address_loads_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.py").write_text(OLD)
    monkeypatch.delitem(sys.modules, "models.schema", raising=False)
    spec = spec_from_file_location("old", tmp_path / "old.py")
    assert spec and spec.loader
    module = module_from_spec(spec)

    with pytest.warns(FutureWarning, match=r"write `from engine.schema import"):
        spec.loader.exec_module(module)

    assert ModelDefinition is type(module.definition)
    assert ["size"] == [field.name for field in module.definition.schema.fields]
