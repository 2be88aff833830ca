"""The real library evaluates the files; without a compiler there is nothing to compare."""

import pytest

from engine.runtime.exact_library import NoExactLibrary, open_library


@pytest.fixture
def library() -> None:
    try:
        open_library()
    except NoExactLibrary as error:
        pytest.skip(str(error))
