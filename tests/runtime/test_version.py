"""The predicted classes of many records are those of each record."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.runtimes import Outputs
from engine.runtime.version import decide, decide_columns

shares = st.sampled_from([0.0, 0.25, 0.3, 0.5 - 1e-6, 0.5 - 1e-7, 0.5, np.float32(0.3), 0.7, 1.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tie", [{}, {"tie": 0.0}])
@pytest.mark.parametrize("classes", [["a", "b"], ["b", "a"], ["a", "b", "c"]])
@given(rows=st.lists(st.tuples(shares, shares, shares), min_size=1, max_size=5))
def test_many_records_get_the_classes_of_each(
    dtype: Any, tie: dict[str, float], classes: list[str], rows: list[tuple[float, ...]]
) -> None:
    card: Any = {"classes": classes, "positive": "b", "threshold": 0.3, **tie}
    outputs = Outputs(None, np.array(rows, dtype)[:, : len(classes)])

    decisions = decide_columns(outputs, card)

    expected = [prediction.value for prediction in decide(outputs, card)]
    assert expected == [classes[place] for place in decisions.chosen or ()]
