"""The kinds of field that a model may have; `engine.schema.kinds` holds each of them."""

from engine.schema.declarations import Policy
from engine.schema.kinds.category import MISSING, UNKNOWN, Category
from engine.schema.kinds.date import Date, DateTime
from engine.schema.kinds.field import Field, Finding
from engine.schema.kinds.flag import Flag
from engine.schema.kinds.identifier import Identifier
from engine.schema.kinds.number import MAX_EXACT_INTEGER, Number
from engine.schema.kinds.spelling import GAP_WORDS
from engine.schema.kinds.text import Text

__all__ = [
    "GAP_WORDS", "MAX_EXACT_INTEGER", "MISSING", "UNKNOWN", "Category", "Date", "DateTime",
    "Field", "Finding", "Flag", "Identifier", "Number", "Policy", "Text",
]  # fmt: skip
