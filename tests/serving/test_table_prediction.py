"""Tables: CSV, JSON lines, Arrow and Parquet in, and every form of answer out."""

import csv
import io
import json
import resource
from typing import Any

import pyarrow as pa
import pytest
from flask.testing import FlaskClient

from engine.runtime.answers import class_name
from persistence.model_persistence import ModelStore
from tests.support.answers import found, read_problem, read_strictly
from tests.support.application import serve
from tests.support.inputs import first_daily
from tests.support.models import EXAMPLES
from tests.support.table_bodies import (
    ARROW,
    CSV,
    JSON,
    LINES,
    PARCEL,
    PARCELS,
    PARQUET,
    WRITERS,
    ask,
    predictions,
    write_columns,
    write_csv,
    write_lines,
)  # fmt: skip

FORMS = [JSON, CSV, LINES, ARROW]
TABLES = [CSV, LINES, ARROW, PARQUET]
EXAMPLE_LISTS = {
    "parcel": PARCELS,
    "rent": [EXAMPLES["rent"], {**EXAMPLES["rent"], "area": 71, "city": "Natal"}],
    "coin": [EXAMPLES["coin"], {"size": -3.5, "edge": 0.25}],
}


def as_text(prediction: dict[str, Any], form: str) -> dict[str, Any]:
    """Give a prediction's value as a CSV cell has it."""
    value = prediction["value"]
    return {**prediction, "value": class_name(value) if form == CSV else value}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", sorted(EXAMPLE_LISTS))
def test_records_when_sent_and_answered_in_any_form_get_the_same_predictions(
    toy_client: FlaskClient, model: str, form: str
) -> None:
    records = EXAMPLE_LISTS[model]
    listed = json.dumps(records).encode()
    expected = predictions(ask(toy_client, listed, JSON, model=model), JSON)
    bodies = [(kind, write(records)) for kind, write in WRITERS.items()]
    bodies += [(JSON, listed), (JSON, write_columns(records))]

    for kind, body in bodies:
        answer = ask(toy_client, body, kind, form, model=model)
        assert [as_text(one, form) for one in expected] == predictions(answer, form), kind


@pytest.mark.parametrize("kind", TABLES)
def test_table_when_answered_in_json_is_what_the_list_gets_to_the_byte(
    toy_client: FlaskClient, kind: str
) -> None:
    listed = ask(toy_client, json.dumps(PARCELS).encode(), JSON)

    answer = ask(toy_client, WRITERS[kind](PARCELS), kind)

    start, _, rest = listed.data.partition(b',"prediction_time":')
    assert start == answer.data.partition(b',"prediction_time":')[0]
    assert rest.partition(b'"model":')[2] == answer.data.partition(b'"model":')[2]
    assert len(answer.data) == answer.content_length


@pytest.mark.parametrize("kind", [JSON, *TABLES])
def test_warnings_when_there_are_some_are_in_every_form_of_answer(
    toy_client: FlaskClient, kind: str
) -> None:
    body = WRITERS[kind](PARCELS) if kind in WRITERS else json.dumps(PARCELS).encode()

    warnings = read_strictly(ask(toy_client, body, kind).data)["warnings"]
    lines = [read_strictly(one) for one in ask(toy_client, body, kind, LINES).data.splitlines()]
    cells = [*csv.DictReader(io.StringIO(ask(toy_client, body, kind, CSV).text))]
    table = pa.ipc.open_stream(ask(toy_client, body, kind, ARROW).data).read_all()

    assert [("/2/shape", "unknown_category"), ("/3/pieces", "out_of_range")] == [
        (one["pointer"], one["code"]) for one in warnings
    ]
    assert [None, None, [warnings[0]], [warnings[1]]] == [one.get("warnings") for one in lines]
    texts = ["shape " + warnings[0]["detail"], "pieces " + warnings[1]["detail"]]
    assert ["", "", *texts] == [one["warnings"] for one in cells]
    assert [None, None, *texts] == table.column("warnings").to_pylist()


def test_record_when_alone_is_a_table_of_one_row_in_other_forms(toy_client: FlaskClient) -> None:
    body = json.dumps(PARCEL).encode()
    alone = read_strictly(ask(toy_client, body, JSON).data)["prediction"]

    for form in FORMS[1:]:
        assert [alone] == predictions(ask(toy_client, body, JSON, form), form)


@pytest.mark.parametrize("form", FORMS[1:])
def test_answer_when_it_is_no_json_names_the_version_in_its_headers(
    toy_client: FlaskClient, toy_store: ModelStore, form: str
) -> None:
    answer = ask(toy_client, write_csv(PARCELS), CSV, form)

    assert form == answer.mimetype
    assert "parcel" == answer.headers["X-Model"]
    assert toy_store.promoted("parcel") == answer.headers["X-Model-Version"]
    assert "no-store" == answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, JSON), ("", JSON), ("*/*", JSON), ("application/*", JSON), ("text/*", CSV),
        ("text/csv", CSV), ("TEXT/CSV", CSV), ("text/csv; charset=utf-8", CSV),
        ("application/json;charset=utf-8", JSON), ("text/html, */*;q=0.1", JSON),
        ("text/csv;q=0.5, application/x-ndjson;q=0.6", LINES), ("text/csv, application/json", JSON),
        ("application/json;q=0, */*", CSV), (f"image/png, {ARROW}", ARROW),
    ],
)  # fmt: skip
def test_answer_when_a_form_is_wished_comes_in_it(
    toy_client: FlaskClient, accept: str | None, form: str
) -> None:
    for body, kind in ((write_csv(PARCELS), CSV), (json.dumps(PARCELS).encode(), JSON)):
        assert form == ask(toy_client, body, kind, accept).mimetype


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", PARQUET, "nonsense", "text/csv;header=absent"]
)
def test_answer_when_no_form_is_acceptable_is_refused(toy_client: FlaskClient, accept: str) -> None:
    for body, kind in ((write_csv(PARCELS), CSV), (json.dumps(PARCEL).encode(), JSON)):
        answer = read_problem(ask(toy_client, body, kind, accept), 406)

        assert all(form in answer["detail"] for form in FORMS)


@pytest.mark.parametrize("kind", TABLES)
def test_table_when_rows_are_wrong_names_every_problem_and_answers_nothing(
    toy_client: FlaskClient, kind: str
) -> None:
    wrong = {**PARCEL, "weight": -1, "colour": "blue", "fragile": None}
    records = [PARCEL] * 9000 + [wrong] + [PARCEL] * 9000 + [{**PARCEL, "pieces": 1.5}]
    if kind in (ARROW, PARQUET):
        records = [{**record, "pieces": float(record["pieces"])} for record in records]

    answer = read_problem(ask(toy_client, WRITERS[kind](records), kind, LINES), 422)

    expected = [
        ("/9000/weight", "out_of_range"), ("/9000/colour", "unknown_category"),
        ("/9000/fragile", "missing"), ("/18001/pieces", "wrong_type"),
    ]  # fmt: skip
    assert expected == [(one["pointer"], one["code"]) for one in answer["errors"]]


@pytest.mark.parametrize("kind", first_daily(*TABLES))
def test_table_when_thousands_of_rows_are_wrong_lists_the_first_thousand(
    toy_client: FlaskClient, kind: str
) -> None:
    records = [PARCEL] * 10 + [{**PARCEL, "weight": -1}] * 20_000

    answer = read_problem(ask(toy_client, WRITERS[kind](records), kind), 422)

    assert [f"/{10 + row}/weight" for row in range(1000)] == [
        one["pointer"] for one in answer["errors"]
    ]
    assert "more than 1000 problems" in answer["detail"]


@pytest.mark.parametrize("kind", TABLES)
def test_table_when_columns_are_wrong_names_each_once(toy_client: FlaskClient, kind: str) -> None:
    record = {**PARCEL, "wieght": 1.0, "note": "x"}
    del record["weight"], record["height"]

    answer = read_problem(ask(toy_client, WRITERS[kind]([record] * 2), kind), 422)

    rows = range(2 if kind == LINES else 1)
    assert {
        problem
        for row in rows
        for problem in ((f"/{row}/wieght", "extra"), (f"/{row}/weight", "missing"))
    } == found(answer)
    assert 2 * len(rows) == len(answer["errors"])


@pytest.mark.parametrize("kind", TABLES)
def test_table_when_an_answer_is_not_finite_names_the_row(
    toy_client: FlaskClient, kind: str
) -> None:
    records = [{"area": 60.0, "rooms": 2, "city": "Natal"}] * 3
    records[1] = {**records[1], "area": 1.7e308}

    answer = read_problem(ask(toy_client, WRITERS[kind](records), kind, model="rent"), 422)

    assert {("/1", "no_finite_answer")} == found(answer)
    assert "record 2 " in answer["errors"][0]["detail"]


@pytest.mark.parametrize("kind", TABLES)
def test_table_when_it_is_larger_than_allowed_is_refused(toy_store: ModelStore, kind: str) -> None:
    client = serve(toy_store, "parcel", max_body_bytes=100, max_table_bytes=4000).test_client()
    body = WRITERS[kind]([PARCEL] * 10)
    limit = max(len(body), 4000)
    enough = serve(toy_store, "parcel", max_body_bytes=100, max_table_bytes=limit).test_client()

    answer = read_problem(ask(client, body + b"\n" * 4000, kind), 413)

    assert "larger than 4000 bytes" in answer["detail"]
    assert 200 == ask(enough, body, kind).status_code


def test_table_when_its_answer_is_larger_than_allowed_is_refused(toy_store: ModelStore) -> None:
    body = b"size,edge\n" + b"1,1\n" * 900
    client = serve(toy_store, "coin", max_table_bytes=len(body) + 500).test_client()

    answer = read_problem(ask(client, body, CSV), 413)

    assert "the answer is larger than" in answer["detail"]


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
def test_binary_table_when_its_values_are_more_than_allowed_is_refused(
    toy_store: ModelStore, kind: str
) -> None:
    client = serve(toy_store, "parcel", max_table_bytes=8 * 7 * 5000).test_client()
    column = {name: pa.repeat(value, 5001) for name, value in PARCEL.items()}
    table = pa.table(column | {"shape": pa.nulls(5001)})

    answer = read_problem(ask(client, WRITERS[kind](table), kind), 413)

    assert "more than 5000 rows" in answer["detail"] or "larger than" in answer["detail"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [(CSV, "send a header line"), (ARROW, "is empty"), (PARQUET, "is empty")],
)
def test_table_when_the_body_is_empty_is_refused(
    toy_client: FlaskClient, kind: str, words: str
) -> None:
    assert words in read_problem(ask(toy_client, b"", kind), 400)["detail"]


@pytest.mark.parametrize("kind", [LINES, ARROW, PARQUET])
def test_table_when_it_has_no_rows_is_refused(toy_client: FlaskClient, kind: str) -> None:
    body = b" \n\n" if kind == LINES else WRITERS[kind](pa.Table.from_pylist([PARCEL])[:0])

    assert {("", "no_records")} == found(read_problem(ask(toy_client, body, kind), 422))


def test_table_when_the_model_is_absent_is_refused(toy_client: FlaskClient) -> None:
    read_problem(ask(toy_client, write_lines(PARCELS), LINES, model="beer"), 404)


def test_table_when_it_comes_too_slowly_is_refused(toy_client: FlaskClient) -> None:
    class Slow(io.BytesIO):
        """A body that the server gives up."""

        def read(self, *args: Any) -> bytes:
            raise ConnectionResetError("the client sends too slowly")

    answer = toy_client.post(
        "/v0/predict",
        content_type=CSV,
        environ_overrides={"wsgi.input": Slow(), "wsgi.input_terminated": True},
    )

    assert "too slowly" in read_problem(answer, 408)["detail"]


def test_table_when_the_disk_is_full_is_refused(toy_client: FlaskClient) -> None:
    body = b"size,edge\n" + b"1,1\n" * 100_000
    most = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, most[1]))
    try:
        answer = ask(toy_client, body, CSV, model="coin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)

    assert "no room on disk" in read_problem(answer, 507)["detail"]
