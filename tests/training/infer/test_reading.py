"""A table of any layout is read as what it says."""

import json
from pathlib import Path

import pandas as pd
import pytest

from engine.training.infer.numbers import Style, find_style, round_beyond
from engine.training.infer.reading import read_source
from engine.training.infer.source import UnreadableTable

TABLE = "name,height,born\nAna,1.5,x\nÉva,2.5,y\nZoë,3.5,z\n"
CELLS = [["Ana", "1.5", "x"], ["Éva", "2.5", "y"], ["Zoë", "3.5", "z"]]
HEADER = ["name", "height", "born"]


def read(folder: Path, content: bytes, name: str = "table.csv") -> pd.DataFrame:
    path = folder / name
    path.write_bytes(content)
    source = read_source(str(path))
    if source.is_text:  # the written call reads the same
        again = pd.read_csv(path, dtype=str, keep_default_na=False, **source.arguments)
        assert source.frame.to_numpy().tolist() == again.to_numpy().tolist()
    return source.frame


@pytest.mark.parametrize(
    ("delimiter", "encoding", "line_end", "title"),
    [
        (",", "utf-8", "\n", ""),
        (";", "utf-8-sig", "\r\n", ""),
        ("\t", "utf-16", "\n", ""),
        ("|", "latin-1", "\r\n", ""),
        (",", "utf-8", "\n", "People of 2024\nmade by hand\n\n"),
    ],
)
def test_text_when_laid_out_in_any_way_has_the_same_cells(
    tmp_path: Path, delimiter: str, encoding: str, line_end: str, title: str
) -> None:
    text = title + TABLE.replace(",", delimiter)

    frame = read(tmp_path, text.replace("\n", line_end).encode(encoding))

    assert HEADER == [*frame]
    assert CELLS == frame.to_numpy().tolist()


def test_text_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    frame = read(tmp_path, b"5.1,3.5,setosa\n4.9,3.0,setosa\n6.3,2.5,virginica\n")

    assert ["column_1", "column_2", "column_3"] == [*frame]
    assert 3 == len(frame)


def test_header_of_years_is_a_header(tmp_path: Path) -> None:
    frame = read(tmp_path, b"2019,2020,2021\n5.1,3.5,1\n4.9,3.0,2\n")

    assert ["2019", "2020", "2021"] == [*frame]


def test_rows_that_end_with_a_delimiter_keep_their_columns(tmp_path: Path) -> None:
    frame = read(tmp_path, b"a,b\n1,x,\n2,y,\n")

    assert [["1", "x"], ["2", "y"]] == frame[["a", "b"]].to_numpy().tolist()


@pytest.mark.parametrize("name", ["table.json", "table.jsonl"])
def test_json_when_read_has_the_same_cells_and_a_column_for_each_key(
    tmp_path: Path, name: str
) -> None:
    records = [{"a": 1, "b": "01", "c": {"d": 1}}, {"a": None, "b": "x", "c": None}]
    lines = "\n".join(map(json.dumps, records))
    path = tmp_path / name
    path.write_text(json.dumps(records) if name == "table.json" else lines)

    source = read_source(str(path))

    assert ["01", "x"] == source.frame["b"].tolist()
    assert [1.0, ""] == [float(source.frame["a"][0]), source.frame["a"][1]]
    assert ["1.0", ""] == source.frame["c.d"].tolist()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("table.csv", b"", "is empty"),
        ("table.csv", b"a,b\n", "no rows"),
        ("table.csv", b"\0\1\2" * 99, "is not text"),
        ("table.csv", b"a,b\n1,2\n1,2,3,4\n", "1 lines with too many cells"),
        ("table.json", b'{"a": 1,', "cannot be read"),
        ("table.json", b"a,b\n1,2\n", "is not JSON"),
        ("table.xlsx", b"PK", "cannot be read|needs openpyxl"),
        ("table.xlsx", b"a,b\n1,2\n", "is not an Excel workbook|needs openpyxl"),
        ("table.parquet", b"a,b\n1,2\n", "is not Parquet|needs pyarrow"),
    ],
)
def test_file_when_it_is_no_table_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(UnreadableTable, match=words):
        read(tmp_path, content, name)


def test_folder_is_refused_as_one(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTable, match="is a folder"):
        read_source(str(tmp_path))


@pytest.mark.parametrize(
    ("words", "delimiter", "style"),
    [
        (["1.5", "2"], ",", Style(".", "")),
        (["1,5", "2,25"], ";", Style(",", "")),
        (["1,234", "2,345.5"], ",", Style(".", ",")),
        (["1.234,5", "2"], ";", Style(",", ".")),
        (["1,234", "5,678"], ";", Style(",", "")),
        (["1,234", "5,678"], ",", Style(".", ",")),
        (["950", *(f"{n}.{n + 150}" for n in range(1, 20))], ";", Style(",", ".")),
        (["0.95", *(f"{n}.{n + 150}" for n in range(1, 20))], ";", Style(".", "")),
    ],
)
def test_style_of_numbers_when_found_is_that_of_the_file(
    words: list[str], delimiter: str, style: Style
) -> None:
    assert style == find_style([pd.Series(words)], delimiter=delimiter)


def test_numbers_when_parsed_are_those_that_are_spelled() -> None:
    words = pd.Series(["1.234,5", "12", "x", "1.23"])

    assert [1234.5, 12.0] == Style(",", ".").parse(words)[:2].tolist()
    assert [True, True] == pd.isna(Style(",", ".").parse(words)[2:]).tolist()


@pytest.mark.parametrize(("size", "room"), [(68, 100), (959, 2000), (0.3, 0.5), (5, 10), (0, 0)])
def test_range_when_rounded_has_room(size: float, room: float) -> None:
    assert room == round_beyond(size)


def test_style_when_a_point_is_decimal_elsewhere_has_no_thousands_of_it() -> None:
    damaged = [pd.Series(["102.796.218", "55.059.326"])] * 3

    assert Style(",", ".") == find_style(damaged, delimiter=";")
    assert Style(".", "") == find_style([*damaged, pd.Series(["28.4", "61.33"])], delimiter=";")


@pytest.mark.parametrize("title", ["", "Sales of the year\n"])
def test_text_when_large_is_read_in_part_and_so_by_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    monkeypatch.setattr("engine.training.infer.text_file._MOST_CELLS", 1000)
    path = tmp_path / "table.csv"
    path.write_text(title + "a,b,y\n" + "".join(f"{n},{n},{'xy'[n % 2]}\n" for n in range(1000)))

    source = read_source(str(path))

    assert 200 < len(source.frame) < 400
    rule = eval(source.arguments["skiprows"])  # noqa: S307
    assert source.frame["a"].tolist() == pd.read_csv(path, skiprows=rule, dtype=str)["a"].tolist()
    assert any("is read: `skiprows`" in note for note in source.notes)
