"""What a request costs by its rows, counted by the limit of requests."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from tests.support.answers import read_problem
from tests.support.application import serve
from tests.support.models import EXAMPLES
from tests.support.table_bodies import CSV, JSON, LINES, write_columns, write_csv, write_lines

LONG = 900_000
RECORD = EXAMPLES["parcel"]


def write_list(records: Any) -> bytes:
    """Write records as a list in JSON."""
    return b"[" + b",".join(write_lines(records).splitlines()) + b"]"


FORMS: dict[str, tuple[str, str, Any]] = {
    "csv": ("/v0/predict", CSV, write_csv),
    "json lines": ("/v0/predict", LINES, write_lines),
    "a list": ("/v0/predict", JSON, write_list),
    "columns": ("/v0/models/parcel/predict", JSON, write_columns),
    "MLflow": ("/invocations", CSV, write_csv),
    "KServe": ("/v1/models/parcel:predict", JSON,
               lambda records: b'{"instances":' + write_list(records) + b"}"),
}  # fmt: skip


def left(answer: Any) -> int:
    """Give how many requests are left."""
    return int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0])


def test_explanations_and_what_ifs_count_by_what_they_compute(toy_store: ModelStore) -> None:
    client = serve(toy_store, "parcel", rate_limit=f"100/{LONG}").test_client()
    question = {"record": RECORD, "may_change": ["fragile"], "target": "small", "seconds": 3}
    reference = load_version(toy_store, "parcel").reference
    assert reference is not None
    is_fragile, is_express = (reference.typical[name] for name in ("fragile", "express"))
    odd = {**RECORD, "weight": 1, "pieces": 49, "height": 1, "shape": "unheard of",
           "fragile": not is_fragile, "express": not is_express}  # fmt: skip
    used: list[int] = []

    for path, body in (
        ("/v0/predict?explain=true", RECORD), ("/v0/predict?explain=true", [odd] * 20),
        ("/v0/whatif", question),
    ):  # fmt: skip
        answer = client.post(path, json=body)
        assert 200 == answer.status_code
        used.append(100 - sum(used) - left(answer))

    assert [1, 4] == [used[0], used[2]]
    assert used[1] > 1


@pytest.mark.parametrize("form", FORMS)
def test_rows_beyond_a_thousand_count_as_requests(toy_store: ModelStore, form: str) -> None:
    client = serve(toy_store, "parcel", rate_limit=f"100/{LONG}").test_client()
    path, kind, write = FORMS[form]
    used: list[int] = []

    for rows in (1, 1000, 1001, 3001):
        answer = client.post(path, data=write([RECORD] * rows), content_type=kind)
        assert 200 == answer.status_code
        used.append(100 - sum(used) - left(answer))

    assert [1, 1, 2, 4] == used


def test_table_when_it_goes_beyond_the_limit_is_refused_before_its_answer(
    toy_store: ModelStore,
) -> None:
    client: FlaskClient = serve(toy_store, "parcel", rate_limit=f"5/{LONG}").test_client()

    answer = client.post("/v0/predict", data=write_csv([RECORD] * 9000), content_type=CSV)

    detail = read_problem(answer, 429)["detail"]
    assert "each further 1000 rows count as one" in detail
    assert int(answer.headers["Retry-After"]) > 0
    assert 429 == client.post("/v0/predict", json=RECORD).status_code


def test_table_when_there_is_no_limit_may_have_any_number_of_rows(toy_client: FlaskClient) -> None:
    answer = toy_client.post("/v0/predict", data=write_csv([RECORD] * 3000), content_type=CSV)

    assert 200 == answer.status_code
    assert "RateLimit" not in answer.headers
