"""In which formats dates are read, by columns of which the answer is plain."""

import pandas as pd
import pytest

from tests.training.infer.test_columns import describe_words

DAYS = pd.date_range("2024-01-05", periods=80, freq="5D")


@pytest.mark.parametrize(
    ("layouts", "formats"),
    [
        (["%Y-%m-%d"], None),
        (["%d/%m/%Y"], ("%d/%m/%Y",)),
        (["%m/%d/%Y"], ("%m/%d/%Y",)),
        (["%d.%m.%Y"], ("%d.%m.%Y",)),
        (["%Y%m%d"], ("%Y%m%d",)),
        (["%d %b %Y"], ("%d %b %Y",)),
        (["%m/%d/%y %I:%M %p"], ("%m/%d/%y %I:%M %p",)),
        (["%Y-%m-%dT%H:%M:%SZ"], None),
        (["%Y-%m-%d", "%d/%m/%Y", "%d %b %Y"], ("%d/%m/%Y", "%d %b %Y")),
    ],
)
def test_dates_have_the_formats_that_read_all_of_them(
    layouts: list[str], formats: tuple[str, ...] | None
) -> None:
    words = [day.strftime(layouts[n % len(layouts)]) for n, day in enumerate(DAYS)]

    draft = describe_words(words)

    assert ("DateTime" if "M" in layouts[0] else "Date") == draft.kind
    assert set(formats or ()) == set(draft.arguments.get("formats", ()))
    assert draft.values is not None
    assert [day.timestamp() for day in DAYS] == draft.values.tolist()


def test_date_when_its_most_frequent_word_is_none_has_that_as_a_gap() -> None:
    draft = describe_words(["00/00/0000"] * 20 + [day.strftime("%d/%m/%Y") for day in DAYS])

    assert ("Date", ("00/00/0000",)) == (draft.kind, draft.odd)


@pytest.mark.parametrize(("layout"), ["%d/%m/%Y", "%m/%d/%Y"])
def test_order_of_day_and_month_when_no_word_tells_is_that_of_smaller_steps(layout: str) -> None:
    few = [f"2024-{month:02d}-{day:02d}" for month in range(1, 13) for day in (2, 5, 8, 11)]

    draft = describe_words([pd.Timestamp(day).strftime(layout) for day in few])

    assert (layout,) == draft.arguments["formats"]
    assert "is a guess" in draft.remark
