"""The kinds of field that a model may have; `engine.schema.kinds` holds each of them."""

from collections.abc import Mapping
from typing import Any

from engine.schema.kinds.category import MISSING, UNKNOWN, Category
from engine.schema.kinds.field import KINDS, Field, Finding, Policy
from engine.schema.kinds.flag import Flag
from engine.schema.kinds.number import MAX_EXACT_INTEGER, Number

__all__ = [
    "MAX_EXACT_INTEGER", "MISSING", "UNKNOWN", "Category", "Field", "Finding", "Flag", "Number",
    "Policy", "field_from_json",
]  # fmt: skip


def field_from_json(entry: Mapping[str, Any]) -> Field:
    """Return the field that a card describes.

    Raises
    ------
    KeyError, TypeError
        When the card names a kind or an attribute that does not exist.
    """
    attributes = dict(entry)
    return KINDS[attributes.pop("kind")].from_json(attributes)
