"""What the benchmarks measure, trained once for all tests."""

import pytest

from benchmarks import questions
from persistence.model_persistence import ModelStore


@pytest.fixture
def prepared(credit_store: ModelStore) -> None:
    """Give the benchmarks the model of the tests."""
    questions.prepare(credit_store.root)
