"""Whatever is sent: never a server error, always JSON, every finding points into the body."""

import json
from typing import Any

from flask.testing import FlaskClient
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.answers import read_strictly
from tests.support.inputs import many
from tests.support.models import EXAMPLES

KINDS = ["application/json", "text/csv", "application/json; charset=utf-8", "text/plain", ""]

models = st.sampled_from(sorted(EXAMPLES))
texts = st.text(st.characters(exclude_categories=()), max_size=8)
numbers = (
    st.integers()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.sampled_from([0, 1, 3, 2**53, 2**53 + 1, 10**400, 1e308, -0.0, 5e-324, 9.5])
)
words = st.sampled_from(["red", "vermelho", "tube", "Recife", "yes", "__missing__", "__unknown__"])
scalars = st.none() | st.booleans() | numbers | texts | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def changed_records(draw: st.DrawFn, model: str) -> dict[str, Any]:
    """Draw a good record with some values changed, dropped or added."""
    record = dict(EXAMPLES[model])
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=3, unique=True)):
        if draw(st.booleans()):
            record[name] = draw(scalars | values)
        else:
            del record[name]
    return record | draw(st.dictionaries(texts, values, max_size=2))


@st.composite
def changed_bodies(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Draw a good body of any form in which some bytes are changed, dropped or added."""
    model = draw(models)
    record = EXAMPLES[model]
    forms: list[Any] = [record, [record, record], {"data": {k: [v] for k, v in record.items()}}]
    bodies = [("application/json", json.dumps(form)) for form in forms]
    bodies.append(("text/csv", ",".join(record) + "\n" + ",".join(map(str, record.values()))))
    kind, text = draw(st.sampled_from(bodies))
    body = bytearray(text.encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=2) | st.sampled_from([b"\\", b'"', b"[", b"{", b"\\ud800", b"NaN"])
        )
    return model, kind, bytes(body)


def resolve(body: Any, pointer: str) -> Any:
    """Follow a JSON pointer; a finding of what is not there fails the test."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        body = body[int(key)] if isinstance(body, list) else body[key]
    return body


def ask(client: FlaskClient, model: str, body: bytes, kind: str) -> tuple[int, Any]:
    answer = client.post(f"/v0/models/{model}/predict", data=body, content_type=kind)
    assert answer.status_code in (200, 400, 413, 415, 422), answer.text
    return answer.status_code, read_strictly(answer.data)


def assert_pointers_resolve(body: bytes, answer: Any) -> None:
    for finding in answer.get("errors", []) + answer.get("warnings", []):
        if finding["code"] != "missing":
            resolve(json.loads(body), finding["pointer"])


@settings(max_examples=many(250))
@given(model=models, value=values)
def test_any_json_when_sent_gets_a_whole_answer(
    toy_client: FlaskClient, model: str, value: Any
) -> None:
    body = json.dumps(value).encode()

    status, answer = ask(toy_client, model, body, "application/json")

    assert status != 200
    assert_pointers_resolve(body, answer)


@settings(max_examples=many(250))
@given(data=st.data(), model=models)
def test_changed_record_when_sent_gets_a_whole_answer_alike_in_every_form(
    toy_client: FlaskClient, data: st.DataObject, model: str
) -> None:
    record = data.draw(changed_records(model))
    assume(set(record) & set(EXAMPLES[model]))  # else columns have no length
    # An object that holds nothing but objects is a table, by column and row, and no record.
    assume(not all(isinstance(one, dict) for name, one in record.items() if name))
    body, in_list = json.dumps(record).encode(), json.dumps([record]).encode()
    in_columns = json.dumps({"data": {name: [one] for name, one in record.items()}}).encode()

    status, alone = ask(toy_client, model, body, "application/json")
    listed_status, listed = ask(toy_client, model, in_list, "application/json")
    columns_status, columns = ask(toy_client, model, in_columns, "application/json")

    # A column without a name is passed over, as the index of a frame is; a key is not.
    named = {name: one for name, one in record.items() if name}
    named_status, named_alone = status, alone
    if named != record and status != 400:  # what is no JSON is none in columns, too
        kind = "application/json"
        named_status, named_alone = ask(toy_client, model, json.dumps(named).encode(), kind)

    assert status == listed_status
    assert named_status == columns_status
    assert_pointers_resolve(body, alone)
    assert_pointers_resolve(in_list, listed)
    assert_pointers_resolve(in_columns, columns)
    if status == 200:
        assert [alone["prediction"]] == listed["predictions"]
    if columns_status == 200:
        assert [named_alone["prediction"]] == columns["predictions"]
    codes = [
        sorted(one["code"] for one in answer.get("errors", []))
        for answer in (alone, listed, named_alone, columns)
    ]
    assert codes[0] == codes[1]
    assert codes[2] == codes[3]


@settings(max_examples=many(250))
@given(changed=changed_bodies())
def test_changed_bytes_when_sent_get_a_whole_answer(
    toy_client: FlaskClient, changed: tuple[str, str, bytes]
) -> None:
    model, kind, body = changed

    ask(toy_client, model, body, kind)


@settings(max_examples=many(250))
@given(model=models, body=st.binary(max_size=64), kind=st.sampled_from(KINDS))
def test_any_bytes_when_sent_get_a_whole_answer(
    toy_client: FlaskClient, model: str, body: bytes, kind: str
) -> None:
    status, _ = ask(toy_client, model, body, kind)

    assert status != 200
