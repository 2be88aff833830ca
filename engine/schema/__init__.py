"""The words that a model file is written in: ``from engine.schema import Number``."""

from engine.schema.definition import ModelDefinition
from engine.schema.fields import Category, Date, DateTime, Flag, Identifier, Number, Text
from engine.schema.record_schema import Schema

__all__ = [
    "Category", "Date", "DateTime", "Flag", "Identifier", "ModelDefinition", "Number", "Schema",
    "Text",
]  # fmt: skip
