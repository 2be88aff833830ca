"""A table that a person sends from the page of a model."""

import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.pages.table import size_text
from persistence.model_persistence import ModelStore
from tests.pages.test_form import HOSTILE, Form
from tests.support.application import serve

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
    assert plain.text == answer.text
    assert 3 == len(answer.text.splitlines())
    assert 'attachment; filename="parcel-answers.csv"' == answer.headers["Content-Disposition"]
    assert plain.headers["X-Model-Version"] == answer.headers["X-Model-Version"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16"])
def test_table_when_a_spreadsheet_wrote_it_is_read(
    toy_client: FlaskClient, delimiter: str, charset: str
) -> None:
    expected = send(toy_client, text=csv_of(ROWS)).text

    answer = send(toy_client, file=csv_of(ROWS, delimiter).encode(charset))

    assert 200 == answer.status_code
    assert expected == answer.text


def test_table_when_rows_are_pasted_from_a_sheet_is_read(toy_client: FlaskClient) -> None:
    answer = send(toy_client, text=csv_of(ROWS, "\t", quote="").replace("\n", "\r\n"))

    assert 200 == answer.status_code
    assert send(toy_client, text=csv_of(ROWS)).text == answer.text


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
