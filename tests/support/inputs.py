"""How many inputs a test makes up."""

import os
from typing import Any

import pytest

#: Every test runs, with all its made-up inputs, as `make test-all` asks; `make test` does not.
IS_WHOLE = bool(os.environ.get("CI"))


def many(examples: int) -> int:
    """Say how many inputs to make up: half as many, or in the everyday tests a tenth."""
    return examples // (2 if IS_WHOLE else 10)


def first_daily(*values: Any) -> list[Any]:
    """Leave all values of a parameter but the first to make test-all."""
    first, *others = values
    return [first, *(pytest.param(value, marks=pytest.mark.slow) for value in others)]
