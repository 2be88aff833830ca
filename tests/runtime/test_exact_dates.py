"""The exact runtime takes dates apart as Python's calendar does, and reads nothing beyond it."""

import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tests.runtime.exact_files import DAY, HOUR, MONTH, SINCE, WEEKDAY, YEAR, File, Member, Slot
from tests.runtime.test_exact import open_file

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(("kind", "part"), [
    (YEAR, lambda moment: moment.year), (MONTH, lambda moment: moment.month),
    (DAY, lambda moment: moment.day), (WEEKDAY, datetime.weekday),
    (HOUR, lambda moment: moment.hour),
])  # fmt: skip
def test_a_slot_shows_a_part_of_a_date_as_the_calendar_does(kind: int, part: Any) -> None:
    start = datetime(1970, 1, 1)  # noqa: DTZ001
    draw = np.random.default_rng(0)
    ends = [-62_135_596_800, 253_402_300_799, -1, 0, 951_782_399, 951_782_400, 951_868_800]
    seconds = [*ends, *draw.integers(ends[0], ends[1], 3_000).tolist()]
    table = [1.5 * code for code in range(10_000)]
    none = [NAN, INF, -INF, 1e300, ends[0] - 1.0, ends[1] + 1.0]
    file = File(1, [Slot(0, kind, gap=-7.0, shift=0.0, table=table)], [Member(terms=[(0, 1)])],
                values=[0.0, 1.0])  # fmt: skip

    seen = open_file(file).run_matrix(np.array([*seconds, *none], float)[:, None]).values

    expected = [1.5 * part(start + timedelta(seconds=count)) for count in seconds]
    assert [*expected, *[-7.0] * len(none)] == seen.tolist()


def test_a_slot_shows_how_far_two_dates_are_from_each_other() -> None:
    slot = Slot(1, SINCE, gap=172_800.0, scale=86_400.0, first_table=0)
    file = File(2, [slot], [Member(terms=[(0, 1)])], values=[0.0, 1.0])
    records = [[86_400.0, 129_600.0], [NAN, 0.0], [0.0, NAN], [NAN, NAN], [5.0, 5.0]]

    seen = open_file(file).run_matrix(np.array(records)).values

    assert [0.5, 2.0, 2.0, 2.0, 0.0] == seen.tolist()
