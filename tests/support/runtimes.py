"""Which runtime serves the toys, with and without the compiled library of the exact one."""

from typing import Any

import pytest

from engine.runtime.exact_library import NoExactLibrary, open_library
from engine.runtime.loading import RUN_FILES
from engine.training.exact.refusal import NotExact


def _best() -> str:
    try:
        open_library()
    except NoExactLibrary:
        return "onnx"
    return "exact"


#: The runtime of trees and sums, such as most toys.
BEST = _best()
RUN_FILE = RUN_FILES[BEST]

needs_exact = pytest.mark.skipif(BEST != "exact", reason="the library is not compiled here")


def not_exact(pipeline: Any, fields: Any) -> bytes:
    """Translate nothing, so that what comes next is tried."""
    raise NotExact("nothing is translated here", "translate it")
