"""One file per model: its presence registers it, its stem is the model's name.

The files in `VOCABULARY` are no models: ``schema.py`` and ``fields.py`` are the
words that a model file is written in, and the others read records by them.
"""

import re
from importlib import import_module
from pathlib import Path

from models.schema import ModelDefinition

#: The files here that describe no model.
VOCABULARY = {"__init__", "codes", "decoder", "fields", "schema", "wording"}

#: What a model may be called: it stands in addresses and folder names.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class UnknownModel(LookupError):
    """No file in ``models/`` describes such a model."""


def names() -> list[str]:
    """List the models that have a file here, in alphabetical order."""
    stems = {path.stem for path in Path(__file__).parent.glob("*.py")} - VOCABULARY
    return sorted(stem for stem in stems if NAME.fullmatch(stem))


def find(name: str) -> ModelDefinition:
    """Load one model's definition.

    Raises
    ------
    UnknownModel
        When there is no such file, or it defines no ``definition``.
    """
    if name not in names():
        raise UnknownModel(
            f"there is no model {name!r}: models/ has {', '.join(names()) or 'none'}; "
            "a model's name is its file's, in lower case"
        )
    definition = getattr(import_module(f"models.{name}"), "definition", None)
    if not isinstance(definition, ModelDefinition):
        raise UnknownModel(f"models/{name}.py must define `definition = ModelDefinition(...)`")
    return definition
