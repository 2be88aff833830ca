"""Many records at once: a list, columns, and that CSV says the same."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.records.problems import InvalidRecords
from engine.records.rows import Records
from engine.records.validation import read_records
from tests.support.answers import found, read_problem, read_strictly
from tests.support.models import TOYS

ONE = {
    "weight": 12.5,
    "pieces": 3,
    "height": 40.0,
    "colour": "dark, blue",
    "shape": "tube",
    "fragile": True,
    "express": False,
}
TWO = {**ONE, "weight": 80, "pieces": 44, "height": None, "colour": "red", "fragile": False}
THREE = {**ONE, "weight": 55.25, "colour": "green", "shape": "sack", "express": None}
RECORDS = [ONE, TWO, THREE]
COLUMNS = {name: [record[name] for record in RECORDS] for name in ONE}
CSV = """weight,pieces,height,colour,shape,fragile,express
12.5,3,40.0,"dark, blue",tube,true,false
80,44,,red,tube,false,false
55.25,3,40.0,green,sack,true,
"""


RENT = "/v0/models/rent/predict"


def ask(
    client: FlaskClient, body: Any, kind: str = "application/json", *, path: str = "/v0/predict"
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, data=data, content_type=kind)


def test_forms_when_they_hold_the_same_records_answer_alike(toy_client: FlaskClient) -> None:
    alone = [ask(toy_client, record).json["prediction"] for record in RECORDS]

    listed = ask(toy_client, RECORDS)
    columns = ask(toy_client, {"data": COLUMNS})
    table = ask(toy_client, CSV.encode(), "text/csv")

    for answer in (listed, columns, table):
        assert 200 == answer.status_code
        assert alone == read_strictly(answer.data)["predictions"]
    assert len({json.dumps(one) for one in alone}) == 3


def test_forms_when_a_policy_accepts_a_value_point_to_it_in_the_body(
    toy_client: FlaskClient,
) -> None:
    listed = ask(toy_client, RECORDS).json["warnings"]
    columns = ask(toy_client, {"data": COLUMNS}).json["warnings"]
    table = ask(toy_client, CSV.encode(), "text/csv").json["warnings"]

    assert {("/2/shape", "unknown_category")} == found({"errors": listed})
    assert {("/data/shape/2", "unknown_category")} == found({"errors": columns})
    assert listed == table


def test_list_when_it_holds_one_record_answers_a_list(toy_client: FlaskClient) -> None:
    alone = ask(toy_client, ONE).json

    answer = ask(toy_client, [ONE]).json

    assert [alone["prediction"]] == answer["predictions"]
    assert "prediction" not in answer


JSON = [
    ("empty list", [], {("", "no_records")}),
    ("a list of other things", [ONE, 3, None, "x", [], [ONE]], {
        ("/1", "wrong_type"), ("/2", "wrong_type"), ("/3", "wrong_type"), ("/4", "wrong_type"),
        ("/5", "wrong_type")}),
    ("faults in several records", [{**ONE, "weight": "5"}, ONE, {**TWO, "more": 1, "pieces": 1.5}],
     {("/0/weight", "wrong_type"), ("/2/more", "extra"), ("/2/pieces", "wrong_type")}),
    ("missing in one record", [ONE, {k: TWO[k] for k in TWO if k != "weight"}],
     {("/1/weight", "missing")}),
    ("no columns", {"data": {}}, {("", "no_records")}),
    ("empty columns", {"data": {name: [] for name in ONE}}, {("", "no_records")}),
    ("columns of unequal length", {"data": {**COLUMNS, "weight": [1], "pieces": []}},
     {("/data/weight", "wrong_length"), ("/data/pieces", "wrong_length")}),
    ("a column that is no list", {"data": {**COLUMNS, "weight": 1, "express": None}},
     {("/data/weight", "wrong_type"), ("/data/express", "wrong_type")}),
    ("unknown column", {"data": {**COLUMNS, "wieght": [1, 2, 3]}}, {("/data/wieght/0", "extra")}),
    ("missing column", {"data": {k: COLUMNS[k] for k in ONE if k != "weight"}},
     {("/data/weight/0", "missing")}),
    ("faults in columns", {"data": {**COLUMNS, "weight": [1, None, "5"], "fragile": [1, True, 0]}},
     {("/data/weight/1", "missing"), ("/data/weight/2", "wrong_type"),
      ("/data/fragile/0", "wrong_type"), ("/data/fragile/2", "wrong_type")}),
    ("data beside other keys", {"data": COLUMNS, "weight": 1, "more": 2},
     {("/weight", "extra"), ("/more", "extra")}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "problems"), [pytest.param(body, problems, id=name) for name, body, problems in JSON]
)
def test_records_when_wrong_are_refused_with_every_problem(
    toy_client: FlaskClient, body: Any, problems: set[tuple[str, str]]
) -> None:
    answer = read_problem(ask(toy_client, body), 422)

    assert problems == found(answer)
    assert len(problems) == len(answer["errors"])


def test_list_when_a_record_repeats_a_key_is_refused(toy_client: FlaskClient) -> None:
    one = json.dumps(ONE)
    body = f'[{one}, {one[:-1]}, "weight": 1}}]'.encode()

    answer = read_problem(ask(toy_client, body), 422)

    assert {("/1/weight", "repeated")} == found(answer)


def test_columns_when_a_name_is_repeated_are_refused(toy_client: FlaskClient) -> None:
    columns = json.dumps(COLUMNS)
    body = f'{{"data": {columns[:-1]}, "weight": [1, 2, 3]}}}}'.encode()

    answer = read_problem(ask(toy_client, body), 422)

    assert {("/data/weight", "repeated")} == found(answer)


def test_columns_when_they_are_given_twice_are_refused(toy_client: FlaskClient) -> None:
    columns = json.dumps(COLUMNS)

    answer = ask(toy_client, f'{{"data": {columns}, "data": {columns}}}'.encode())

    assert {("/data", "repeated")} == found(read_problem(answer, 422))


def test_columns_when_an_optional_one_is_absent_answer_as_with_gaps(
    toy_client: FlaskClient,
) -> None:
    gaps = {**COLUMNS, "height": [None, None, None]}
    without = {name: COLUMNS[name] for name in COLUMNS if name != "height"}

    expected = ask(toy_client, {"data": gaps})
    answer = ask(toy_client, {"data": without})

    assert 200 == answer.status_code
    assert expected.json["predictions"] == answer.json["predictions"]


def test_columns_when_extras_are_ignored_may_bring_any_of_any_length(
    toy_client: FlaskClient,
) -> None:
    columns = {"area": [60, 70], "rooms": [2, 3], "city": ["Natal", "Recife"]}

    plain = ask(toy_client, {"data": columns}, path=RENT)
    answer = ask(toy_client, {"data": {**columns, "note": [1, 2, 3], "by": "me"}}, path=RENT)

    assert 200 == answer.status_code
    assert plain.json["predictions"] == answer.json["predictions"]


def test_record_when_extras_are_ignored_may_bring_data(toy_client: FlaskClient) -> None:
    record = {"area": 60, "rooms": 2, "city": "Natal"}

    plain = ask(toy_client, record, path=RENT)
    answer = ask(toy_client, {**record, "data": {"area": [1]}}, path=RENT)

    assert 200 == answer.status_code
    assert plain.json["prediction"] == answer.json["prediction"]


def test_columns_when_extras_are_ignored_still_check_the_fields(toy_client: FlaskClient) -> None:
    columns = {"area": [60, 70], "rooms": 2, "city": ["Natal"]}

    answer = ask(toy_client, {"data": columns}, path=RENT)

    expected = {("/data/rooms", "wrong_type"), ("/data/city", "wrong_length")}
    assert expected == found(read_problem(answer, 422))


def test_columns_when_an_answer_is_not_finite_name_the_record(toy_client: FlaskClient) -> None:
    columns = {"area": [60, 1.7e308], "rooms": [2, 2], "city": ["Natal", "Natal"]}

    answer = ask(toy_client, {"data": columns}, path=RENT)

    body = read_problem(answer, 422)
    assert {("/data", "no_finite_answer")} == found(body)
    assert "record 2 of 2" in body["errors"][0]["detail"]


@pytest.mark.parametrize("count", [9_999, 10_000])
def test_records_when_they_are_as_many_as_may_be_are_answered(
    toy_client: FlaskClient, count: int
) -> None:
    columns = {"area": [60] * count, "rooms": [2] * count, "city": ["Natal"] * count}

    answer = ask(toy_client, {"data": columns}, path=RENT)

    assert count == len(answer.json["predictions"])


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"{}," * 10_000 + b"{}]",
        json.dumps({"data": {"weight": [1] * 10_001}}).encode(),
    ],
)
def test_records_when_they_are_too_many_are_refused(toy_client: FlaskClient, body: bytes) -> None:
    answer = read_problem(ask(toy_client, body), 413)

    assert "more than 10000 records" in answer["detail"]


def test_records_when_thousands_are_wrong_list_the_first_thousand_problems(
    toy_client: FlaskClient,
) -> None:
    answer = read_problem(ask(toy_client, [{}] * 5000), 422)

    assert 1000 == len(answer["errors"])
    assert "more than 1000 problems" in answer["detail"]
    assert ("/0/weight", "missing") in found(answer)


def test_records_when_thousands_are_wrong_are_not_all_looked_at() -> None:
    class CountedRows(list[Any]):
        """Rows that count how many are taken."""

        taken = 0

        def __iter__(self) -> Iterator[Any]:
            for row in super().__iter__():
                self.taken += 1
                yield row

    rows = CountedRows([{}] * 5000)

    with pytest.raises(InvalidRecords):
        read_records(Records(rows, lambda row, name: ""), TOYS["rent"].schema)

    assert rows.taken < 1000


def test_records_when_their_order_changes_answer_each_as_before(toy_client: FlaskClient) -> None:
    forward = ask(toy_client, RECORDS).json["predictions"]

    backward = ask(toy_client, RECORDS[::-1]).json["predictions"]

    assert forward == backward[::-1]
