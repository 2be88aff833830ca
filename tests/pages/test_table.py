"""A table that a person sends from the page of a model."""

import codecs
import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.pages.table import size_text
from persistence.model_persistence import ModelStore
from tests.pages.test_form import HOSTILE, Form
from tests.support.application import serve
from tests.support.models import unstored

HEADER = ["weight", "pieces", "height", "colour", "shape", "fragile", "express"]
ROWS = [
    ["12.5", "3", "40", "dark, blue", "tube", "true", "false"],
    ["99", "50", "", "red", "box", "yes", ""],
]


def csv_of(rows: list[list[str]], delimiter: str = ",", quote: str = '"') -> str:
    lines = [delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in [HEADER, *rows]]
    return "\n".join(lines)


def send(client: FlaskClient, *, file: bytes | None = None, text: str = "") -> TestResponse:
    data: dict[str, Any] = {"text": text}
    if file is not None:
        data["file"] = (io.BytesIO(file), "rows.csv")
    return client.post("/models/parcel/table", data=data, content_type="multipart/form-data")


def columns_of(text: str, delimiter: str = ",") -> tuple[list[list[str]], list[list[str]]]:
    """Return the columns that were sent and those of the answers, row by row."""
    rows = [*csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]
    return [row[: len(HEADER)] for row in rows], [row[len(HEADER) :] for row in rows]


def test_table_when_sent_as_a_file_is_answered_as_the_same_table_in_csv(
    toy_client: FlaskClient,
) -> None:
    body = csv_of(ROWS)
    plain = toy_client.post(
        "/v0/models/parcel/predict", data=body,
        headers={"Content-Type": "text/csv", "Accept": "text/csv"},
    )  # fmt: skip

    answer = send(toy_client, file=body.encode())

    assert 200 == answer.status_code
    sent, answers = columns_of(answer.text)
    assert [HEADER, *ROWS] == sent
    assert [*csv.reader(plain.text.splitlines())] == answers
    assert str(len(answers[0])) == answer.headers["X-Answer-Columns"]
    assert 'attachment; filename="parcel-answers.csv"' == answer.headers["Content-Disposition"]
    assert plain.headers["X-Model-Version"] == answer.headers["X-Model-Version"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16"])
def test_table_when_a_spreadsheet_wrote_it_is_read(
    toy_client: FlaskClient, delimiter: str, charset: str
) -> None:
    expected = send(toy_client, text=csv_of(ROWS)).text

    answer = send(toy_client, file=csv_of(ROWS, delimiter).replace("\n", "\r\n").encode(charset))

    assert 200 == answer.status_code
    text = answer.data.decode(charset)
    assert answer.data.startswith(codecs.BOM_UTF8 if charset == "utf-8-sig" else codecs.BOM_UTF16)
    assert columns_of(expected) == columns_of(text, delimiter)
    assert text.count("\r\n") == text.count("\n") == 3
    assert delimiter == unquote(answer.headers["X-Delimiter"])


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_table_with_decimal_commas_is_answered_with_them(
    toy_client: FlaskClient, delimiter: str
) -> None:
    expected = columns_of(send(toy_client, text=csv_of(ROWS)).text)[1]
    rows = [[cell.replace(".", ",") for cell in row] for row in ROWS]
    body = csv_of(rows, delimiter, quote="").replace("dark, blue", '"dark, blue"')

    answer = send(toy_client, file=f"sep={delimiter}\n{body}".encode("cp1252"))

    first, text = answer.text.split("\n", 1)
    sent, answers = columns_of(text, delimiter)
    assert f"sep={delimiter}" == first
    assert [HEADER, *rows] == sent
    assert [[cell.replace(".", ",") for cell in row] for row in expected] == answers


def test_table_in_an_encoding_of_windows_is_answered_in_it(toy_client: FlaskClient) -> None:
    rows = [["12.5", "3", "40", "red", "cartão", "true", "false"]]

    answer = send(toy_client, file=csv_of(rows).encode("cp1252"))

    assert "text/csv; charset=windows-1252" == answer.headers["Content-Type"]
    assert [HEADER, *rows] == columns_of(answer.data.decode("cp1252"))[0]


def test_table_in_an_encoding_that_lacks_letters_of_a_class_is_answered_in_unicode(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    names = {"small": "μικρό", "large": "μεγάλο", "medium": "μεσαίο"}
    card = toy_store.read_card("parcel", toy_store.promoted("parcel"))
    files = {name: Path(toy_store.files(card), name).read_bytes() for name in card["files"]}
    text = json.dumps(unstored(card))
    for name, greek in names.items():
        text = text.replace(f'"{name}"', f'"{greek}"')
    store = ModelStore(tmp_path)
    store.promote("parcel", store.write(json.loads(text), files))
    rows = [["12.5", "3", "40", "red", "cartão", "true", "false"]]

    answer = send(serve(store, "parcel").test_client(), file=csv_of(rows).encode("cp1252"))

    assert "text/csv; charset=utf-8" == answer.headers["Content-Type"]
    assert answer.data.startswith(codecs.BOM_UTF8)
    sent, answers = columns_of(answer.data.decode("utf-8-sig"))
    assert [HEADER, *rows] == sent
    assert answers[1][0] in names.values()


def test_table_with_columns_that_answers_have_keeps_them(toy_client: FlaskClient) -> None:
    data = {"text": "area,rooms,city,value\n50,2,Recife,old"}

    answer = toy_client.post("/models/rent/table", data=data)

    head, row = csv.reader(answer.text.splitlines())
    assert ["area", "rooms", "city", "value", "predicted_value"] == head[:5]
    assert ["50", "2", "Recife", "old"] == row[:4]


def test_table_with_answers_when_sent_again_has_each_name_once(toy_client: FlaskClient) -> None:
    text = "area,rooms,city\n50,2,Recife"

    for _time in range(4):
        text = toy_client.post("/models/rent/table", data={"text": text}).text

    head = next(csv.reader(text.splitlines()))
    assert len({*head}) == len(head)
    assert ["value", "predicted_value", "predicted_value_2", "predicted_value_3"] == [
        name for name in head if name.endswith("value") or "value_" in name
    ]


@pytest.mark.parametrize(
    ("delimiter", "language", "point"),
    [(";", "en", ","), (";", "es", ","), ("\t", "es", ","), ("\t", "en", "."), (",", "es", "."),
     ("|", "es", ".")],
)  # fmt: skip
def test_table_with_whole_numbers_alone_is_answered_with_the_decimal_sign_of_its_reader(
    toy_client: FlaskClient, delimiter: str, language: str, point: str
) -> None:
    rows = [["12", "3", "40", "red", "tube", "true", "false"]]

    answer = toy_client.post(
        "/models/parcel/table", data={"text": csv_of(rows, delimiter)},
        headers={"Accept-Language": language},
    )  # fmt: skip

    _head, (label, *probabilities) = columns_of(answer.text, delimiter)[1]
    assert label in ("small", "medium", "large")
    numbers = [cell for cell in probabilities if cell]
    assert numbers
    assert all(re.fullmatch(rf"[01]{re.escape(point)}\d+", cell) for cell in numbers)


AMBIGUOUS_ROWS = [["1.129", *ROWS[0][1:3], "red", *ROWS[0][4:]]]


@pytest.mark.parametrize(
    ("delimiter", "language", "first", "status"),
    [(";", "en", "1.129", 422), (";", "es", "1.129", 422), ("\t", "es", "1.129", 422),
     ("\t", "en", "1.129", 200), (",", "es", "1.129", 200), (";", "es", "1.12", 200)],
)  # fmt: skip
def test_table_with_a_number_that_may_be_thousands_names_it_unless_its_column_tells(
    toy_client: FlaskClient, delimiter: str, language: str, first: str, status: int
) -> None:
    # A point in another column tells nothing.
    rows = [[first, "3", "40.5", *AMBIGUOUS_ROWS[0][3:]], *AMBIGUOUS_ROWS]

    answer = toy_client.post(
        "/models/parcel/table", data={"text": csv_of(rows, delimiter)},
        headers={"Accept-Language": language},
    )  # fmt: skip

    assert status == answer.status_code
    if status == 422:
        fraction = "1.129" if language == "en" else "1,129"
        assert re.search(rf"weight: 1\.129 .* 1129, .* {fraction}, ", Form(answer).words)


def test_table_when_rows_are_pasted_from_a_sheet_is_read(toy_client: FlaskClient) -> None:
    answer = send(toy_client, text=csv_of(ROWS, "\t", quote="").replace("\n", "\r\n"))

    assert 200 == answer.status_code
    expected = send(toy_client, text=csv_of(ROWS)).text
    assert columns_of(expected) == columns_of(answer.text, "\t")


def test_table_when_rows_are_wrong_names_row_and_column_of_each_problem(
    toy_client: FlaskClient,
) -> None:
    wrong = ["101", "3", "40", HOSTILE.replace('"', "'"), "tube", "true", "false"]

    answer = send(toy_client, text=csv_of([ROWS[0], wrong]))

    form = Form(answer)
    assert 422 == answer.status_code
    assert "The input has 2 problems." in form.words
    assert "Row 2, weight: is 101, out of range" in form.words
    assert "Row 2, colour: is " in form.words
    assert "12.5" == form.controls["field.weight"]["value"]
    assert not {"img"} & {*form.tags}


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "There is no table: choose a file"), ("weight,pieces", "There are no records")],
)
def test_table_when_there_is_none_says_so(toy_client: FlaskClient, text: str, message: str) -> None:
    answer = send(toy_client, text=text)

    assert 422 == answer.status_code
    assert message in Form(answer).words


def test_table_when_it_is_longer_than_allowed_is_refused_as_the_page_announces(
    toy_store: ModelStore,
) -> None:
    client = serve(toy_store, "parcel", max_table_bytes=2048).test_client()

    answer = send(client, file=csv_of(ROWS * 50).encode())

    assert "At most 2 KiB." in Form(client.get("/models/parcel")).words
    assert 413 == answer.status_code
    assert "larger than 2048 bytes" in Form(answer).words


def test_table_counts_for_the_limit_by_its_rows(toy_store: ModelStore) -> None:
    client = serve(toy_store, "parcel", rate_limit="2/60").test_client()

    answers = [send(client, text=csv_of(ROWS * 1000)).status_code for _ in range(2)]

    assert [200, 429] == answers


def test_size_is_written_as_people_read_it() -> None:
    assert ["12 bytes", "1 KiB", "5 MiB", "1.5 GiB"] == [
        size_text(size) for size in (12, 1024, 5 * 2**20, 3 * 2**29)
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_table_when_a_column_is_misspelt_names_it_whatever_separates_the_cells(
    toy_client: FlaskClient, delimiter: str
) -> None:
    answer = send(toy_client, text=csv_of(ROWS, delimiter).replace("weight", "weigth"))

    assert 422 == answer.status_code
    assert "did you mean 'weight'?" in Form(answer).words
    assert "separated by" not in Form(answer).words


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("inner", ["\n", "\r\n", "\r"], ids=repr)
def test_table_with_line_ends_inside_cells_is_answered_row_by_row(
    toy_client: FlaskClient, end: str, inner: str
) -> None:
    header, row = ["area", "rooms", "city", "value"], ["50", "2", "Recife", f"old{inner}one"]
    lines = [",".join(f'"{cell}"' for cell in cells) for cells in (header, row, row)]

    file = io.BytesIO(end.join(lines).encode())
    answer = toy_client.post("/models/rent/table", data={"file": (file, "rows.csv")})

    answered = [*csv.reader(io.StringIO(answer.text, newline=""))]
    assert [header, row, row] == [cells[:4] for cells in answered]
