"""One file per model: its presence registers it, its stem is the model's name."""

from importlib import import_module
from pathlib import Path

from engine.schema import ModelDefinition
from persistence.names import NAME

#: ``schema.py`` is the old address of `engine.schema`, and describes no model.
_NOT_MODELS = {"__init__", "schema"}


class UnknownModel(LookupError):
    """No file in ``models/`` describes such a model."""


def names() -> list[str]:
    """List the models that have a file here, in alphabetical order."""
    stems = {path.stem for path in Path(__file__).parent.glob("*.py")} - _NOT_MODELS
    return sorted(stem for stem in stems if NAME.fullmatch(stem))


def find(name: str) -> ModelDefinition:
    """Load one model's definition.

    Raises
    ------
    UnknownModel
        When there is no such file, or it defines no ``definition``.
    """
    if name not in names():
        if not names():
            raise UnknownModel(
                f"there is no model {name!r}: models/ has none; write one from a table and train "
                "it with make new name=churn from=churn.csv target=Churn (target: what to predict)"
            )
        raise UnknownModel(
            f"there is no model {name!r}: models/ has {', '.join(names())}; choose one of them "
            "(make run model=…, or DEFAULT_MODEL), or write another from a table with make new "
            "name=… from=FILE target=COLUMN; a model's name is its file's, in lower case"
        )
    definition = getattr(import_module(f"models.{name}"), "definition", None)
    if not isinstance(definition, ModelDefinition):
        raise UnknownModel(f"models/{name}.py must define `definition = ModelDefinition(...)`")
    return definition
