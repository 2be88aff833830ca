"""Records that are made up, whose answers a version has to give again wherever it is read.

They are drawn from what the fields accept, each field by itself, and never
from the data: so no row of the table is in the card.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.schema.fields import Category, Field, Flag, Number

ROWS = 16

#: The share of gaps, unknown words and numbers out of range, where a field accepts them.
ODD = 1 / 8

#: A word that no field lists.
UNHEARD_OF = "unheard of"

#: No number is drawn beyond; a double still has a digit after the point there.
_MOST = 1e15


def golden_records(fields: Sequence[Field], *, seed: int) -> list[dict[str, Any]]:
    """Make up records that the fields accept.

    Returns
    -------
    list of dict
        ``ROWS`` records, as a caller would send them; the same for the same
        fields and seed.
    """
    generator = np.random.default_rng(seed)
    return [{one.name: _value(one, generator) for one in fields} for _ in range(ROWS)]


def _value(one: Field, generator: np.random.Generator) -> Any:
    if one.missing == "accept" and generator.random() < ODD:
        return None
    if isinstance(one, Flag):
        return bool(generator.integers(2))
    if isinstance(one, Number):
        return _number(one, generator)
    if one.unknown == "accept" and generator.random() < ODD:
        return UNHEARD_OF
    return _word(one, generator)


def _word(one: Category, generator: np.random.Generator) -> str:
    words = [*one.categories, *one.synonyms]
    return str(words[generator.integers(len(words))])


def _number(one: Number, generator: np.random.Generator) -> float:
    low, high = _range(one)
    value = float(generator.uniform(low, high))
    if one.out_of_range == "accept" and generator.random() < ODD:
        value += high - low if one.maximum is not None else low - high
    if one.integer:
        return round(value)
    return float(f"{value:.6g}") if low <= float(f"{value:.6g}") <= high else value


def _range(one: Number) -> tuple[float, float]:
    """Give the range to draw from; an end that is not declared lies beyond the example."""
    example = float(one.example)
    reach = max(1.0, abs(example))
    low = example - reach if one.minimum is None else one.minimum
    high = example + reach if one.maximum is None else one.maximum
    low, high = max(low, -_MOST), min(high, _MOST)
    if one.integer:
        low, high = math.ceil(low), math.floor(high)
    return (low, high) if low <= high else (example, example)
