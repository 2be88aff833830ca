"""How CSV is laid out: what separates cells, and lines and rows that hold nothing."""

import io
import sys
from contextlib import suppress

import pytest

from engine.records.csv_layout import recognised_delimiter
from engine.records.csv_reader import read_csv
from engine.records.jsonl_reader import read_lines
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.upload import Upload
from tests.records.test_frames import DECODER, ROWS, SCHEMA, frame_of, from_csv, problems_of


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("age;income;home\n1;2;rent\n", "separated by ';': send commas, or put the line sep=;"),
        ("Age\tHome\n1\trent\n", "separated by tabs: send commas, or the content type"),
        ("age|income\n1|2\n", "separated by '|'"),
        ("sep=x\nagexincome\n", "the line sep= has 'x'"),
    ],
)
def test_table_when_it_is_separated_otherwise_is_refused_in_a_sentence(
    body: str, words: str
) -> None:
    with pytest.raises(BadRequest, match=r"^the ") as refused:
        from_csv(body)

    assert words in str(refused.value)


@pytest.mark.parametrize("end", ["", "\n\n"])
def test_row_when_it_has_a_cell_more_is_no_name_of_a_row(end: str) -> None:
    header, *lines = frame_of(ROWS, is_source=False).to_csv(index=False).splitlines()
    commas = "\n".join([header, *(f"{line}," for line in lines)])
    decimals = "\n".join([header, *(line.replace("1", "1,5", 1) for line in lines)])

    for text in (commas, decimals):
        with pytest.raises(InvalidRecords) as refused:
            raise InvalidRecords(
                [each for block in read_csv(Upload.of((text + end).encode()), SCHEMA, DECODER)
                 for each in block.problems]
            )  # fmt: skip
        assert "has 7 cells and the header 6" in refused.value.problems[0].detail


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"], ids=repr)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_separator_when_a_name_has_line_ends_is_recognised(delimiter: str, end: str) -> None:
    header = delimiter.join([f'"full{end}{end}name"', "age", "income", "home"])
    lines = io.StringIO(f"{header}{end}Ana{delimiter}1{end}", newline="")

    assert delimiter == recognised_delimiter(lines, SCHEMA)


@pytest.mark.parametrize("age", ["30", "30,5"], ids=["whole columns", "cell by cell"])
@pytest.mark.parametrize("delimiter", [";", "\t"], ids=["semicolons", "tabs"])
def test_thousands_before_a_decimal_comma_are_read(delimiter: str, age: str) -> None:
    frame = frame_of(ROWS, is_source=False).assign(age=age, income="-13.590,50")
    text = frame.to_csv(index=False, sep=delimiter)
    (block,) = read_csv(Upload.of(text.encode()), SCHEMA, DECODER, delimiter=delimiter)

    if age == "30":
        assert [-13590.5] * len(ROWS) == block.matrix[:, 1].tolist()
    else:  # another column is at fault, not this one
        assert {"/0/age", "/1/age", "/2/age"} == {problem.pointer for problem in block.problems}


def test_decimal_comma_when_numbers_have_points_too_is_refused() -> None:
    text = frame_of(ROWS, is_source=False).to_csv(index=False, sep=";", decimal=",")

    assert ["/1/income"] == problems_of("sep=;\n" + text.replace("0;;", "0;1.200;"))


@pytest.mark.parametrize("start", ["", "age,home"], ids=["before the header", "after the header"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\r"], ids=repr)
def test_lines_without_text_are_passed_over_in_a_few_steps(start: str, end: str) -> None:
    body = (start + end * 300_000).encode()
    calls = []
    sys.setprofile(lambda frame, event, argument: calls.append(event))
    try:
        with suppress(BadRequest):
            [*read_csv(Upload.of(body), SCHEMA, DECODER)]
    finally:
        sys.setprofile(None)

    assert len(calls) < 2000


def test_json_lines_without_text_are_passed_over_in_a_few_steps() -> None:
    calls = []
    sys.setprofile(lambda frame, event, argument: calls.append(event))
    try:
        assert [] == [*read_lines(Upload.of(b"\n \r\n" * 300_000), SCHEMA, DECODER)]
    finally:
        sys.setprofile(None)

    assert len(calls) < 1000


@pytest.mark.slow
def test_table_when_too_many_rows_are_empty_is_refused() -> None:
    body = b"age,home\n" + b",\n" * (2**20 + 1)

    with pytest.raises(BadRequest, match="rows are empty"):
        [*read_csv(Upload.of(body), SCHEMA, DECODER)]
