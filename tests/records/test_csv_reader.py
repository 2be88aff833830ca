"""CSV: how cells, lines and headers are read, and refused."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.answers import found, read_problem

CSV = """weight,pieces,height,colour,shape,fragile,express
12.5,3,40.0,"dark, blue",tube,true,false
80,44,,red,tube,false,false
"""
HEADER, *LINES = CSV.splitlines()


def ask(client: FlaskClient, table: bytes) -> Any:
    return client.post("/v0/predict", data=table, content_type="text/csv")


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(CSV.replace("\n", "\r\n"), id="CRLF"),
        pytest.param("\ufeff" + CSV, id="a byte order mark"),
        pytest.param(CSV.removesuffix("\n"), id="no last line end"),
        pytest.param(CSV.replace("\n", "\n\n"), id="blank lines"),
        pytest.param(CSV.replace("red", '"red"').replace("80", '"80"'), id="quotes"),
        pytest.param(CSV.replace("80,", "8e1,"), id="exponent"),
        pytest.param(CSV.replace("80,44", "80.0,44.0"), id="fraction that is whole"),
        pytest.param(CSV.replace("true,false", "yes,false"), id="synonym of a flag"),
        pytest.param(CSV.replace(",red", ",vermelho"), id="synonym of a category"),
    ],
)
def test_csv_when_written_oddly_but_rightly_answers_as_the_plain_one(
    toy_client: FlaskClient, table: str
) -> None:
    plain = ask(toy_client, CSV.encode())
    answer = ask(toy_client, table.encode())

    assert 200 == answer.status_code, answer.json
    assert plain.json["predictions"] == answer.json["predictions"]


def test_csv_when_a_quoted_cell_spans_lines_is_one_value(toy_client: FlaskClient) -> None:
    table = f"{HEADER}\n" + LINES[1].replace("red", '"red\nwine"')

    answer = read_problem(ask(toy_client, table.encode()), 422)

    assert {("/0/colour", "unknown_category")} == found(answer)


@pytest.mark.parametrize(
    "cell",
    ["1_000", " 5", "5 ", "\u0663", "\uff15", "0x10", "nan", "NaN", "inf", "-inf", "Infinity",
     "1,5", "+5", ".5", "5.", "1e", "--5", "1e5e5", "true", "5\0", "1" * 500],
)  # fmt: skip
def test_csv_when_a_number_is_written_oddly_is_refused(toy_client: FlaskClient, cell: str) -> None:
    table = f'{HEADER}\n"{cell}",3,40,red,tube,true,false\n'

    answer = read_problem(ask(toy_client, table.encode()), 422)

    assert {("/0/weight", "wrong_type")} == found(answer)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1e9999,3,40,red,tube,true,false", ("/0/weight", "not_finite")),
        ("9" * 400 + ",3,40,red,tube,true,false", ("/0/weight", "not_finite")),
        ("-1,3,40,red,tube,true,false", ("/0/weight", "out_of_range")),
        ("1,3.5,40,red,tube,true,false", ("/0/pieces", "wrong_type")),
        ("1,3,40,red,tube,on,false", ("/0/fragile", "wrong_type")),
        ("NA,3,40,red,tube,true,false", ("/0/weight", "wrong_type")),
        ("1,3,40,red,tube,1,false", ("/0/fragile", "wrong_type")),
        ("1,3,40, red,tube,true,false", ("/0/colour", "unknown_category")),
        (",3,40,red,tube,true,false", ("/0/weight", "missing")),
        ('"",3,40,red,tube,true,false', ("/0/weight", "missing")),
        ("1,3,40,,tube,true,false", ("/0/colour", "missing")),
        ("1,3,40,red,tube,true", ("/0", "wrong_length")),
        ("1,3,40,red,tube,true,false,", ("/0", "wrong_length")),
        ("1,3,40,dark, blue,tube,true,false", ("/0", "wrong_length")),
    ],
)
def test_csv_when_a_line_is_wrong_is_refused(
    toy_client: FlaskClient, line: str, problem: tuple[str, str]
) -> None:
    answer = read_problem(ask(toy_client, f"{HEADER}\n{line}\n".encode()), 422)

    assert {problem} == found(answer)


def test_csv_when_columns_are_wrong_names_each_once(toy_client: FlaskClient) -> None:
    lines = [line.replace("12.5", "1") for line in LINES]
    table = "\n".join([HEADER.replace("weight", "wieght"), *lines])

    answer = read_problem(ask(toy_client, table.encode()), 422)

    assert {("/0/wieght", "extra"), ("/0/weight", "missing")} == found(answer)
    assert 2 == len(answer["errors"])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\r\n\n", "is empty", id="blank"),
        pytest.param(f"{HEADER},weight\n{LINES[1]},1\n".encode(), "'weight' twice", id="header"),
        pytest.param(b"," * 10_000, "'' twice", id="10,000 empty names"),
        pytest.param(
            f'{HEADER}\n1,3,40,"red" wine,tube,true,false'.encode(), "not CSV", id="quote"
        ),
        pytest.param(f'{HEADER}\n1,3,40,"red,tube,true,false'.encode(), "not CSV", id="open quote"),
        pytest.param(f"{HEADER}\n{'x' * 200_000}".encode(), "not CSV", id="huge field"),
        pytest.param(CSV.encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(CSV.replace("red", "é").encode("latin-1"), "not UTF-8", id="latin-1"),
    ],
)
def test_csv_when_it_is_malformed_is_refused_with_the_reason(
    toy_client: FlaskClient, table: bytes, words: str
) -> None:
    answer = read_problem(ask(toy_client, table), 400)

    assert words in answer["detail"]


def test_csv_when_it_has_a_header_only_is_refused(toy_client: FlaskClient) -> None:
    answer = ask(toy_client, f"{HEADER}\n".encode())

    assert {("", "no_records")} == found(read_problem(answer, 422))
