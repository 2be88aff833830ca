"""The old address of `engine.schema`, kept for one release."""

import warnings

from engine.schema import Category, Flag, ModelDefinition, Number, Schema

__all__ = ["Category", "Flag", "ModelDefinition", "Number", "Schema"]

warnings.warn(
    "models.schema has moved: write `from engine.schema import …` in your model file; "
    "the old address goes with the next release",
    FutureWarning,
    stacklevel=2,
)
