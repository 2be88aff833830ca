"""One record as JSON: each way in which it can be wrong, and the odd ways in which it is right."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.answers import found, read_problem, read_strictly

GOOD = {
    "weight": 12.5,
    "pieces": 3,
    "height": 40,
    "colour": "red",
    "shape": "tube",
    "fragile": True,
    "express": False,
}


RENT = "/v0/models/rent/predict"


def written(**literals: str) -> bytes:
    """Write the good record with some values as the JSON text given."""
    texts = {name: json.dumps(value) for name, value in GOOD.items()} | literals
    return ("{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}").encode()


def without(*names: str) -> bytes:
    return json.dumps({name: GOOD[name] for name in GOOD if name not in names}).encode()


def ask(client: FlaskClient, body: bytes, *, path: str = "/v0/predict") -> Any:
    return client.post(path, data=body, content_type="application/json")


def row(name: str, body: bytes, *problems: tuple[str, str], words: str = "") -> Any:
    return pytest.param(body, set(problems), words, id=name)


REFUSED = [
    row("missing", without("weight"), ("/weight", "missing"), words="a number from 0 to 100 (kg)"),
    row("null for required", written(weight="null"), ("/weight", "missing")),
    row("null for a required flag", written(fragile="null"), ("/fragile", "missing")),
    row("null for a required category", written(colour="null"), ("/colour", "missing")),
    row("extra", written(approved="true"), ("/approved", "extra"), words="leave it out"),
    row("empty key", written(**{"": "1"}), ("/", "extra")),
    row("key with slash and tilde", written(**{"a/b~c": "1"}), ("/a~1b~0c", "extra")),
    row("NUL in a key", written(**{"\\u0000": "1"}), ("/\0", "extra")),
    row("emoji key", written(**{"\\ud83d\\ude00": "1"}), ("/😀", "extra")),
    row("misspelt", written(wieght="1"), ("/wieght", "extra"), words="did you mean 'weight'?"),
    row("key in other case", written(Weight="1"), ("/Weight", "extra"), words="'weight'"),
    row("text for a number", written(weight='"5"'), ("/weight", "wrong_type"), words="is '5'"),
    row("empty text for a number", written(weight='""'), ("/weight", "wrong_type")),
    row("true for a number", written(pieces="true"), ("/pieces", "wrong_type"), words="is true"),
    row("list for a number", written(weight="[5]"), ("/weight", "wrong_type"), words="a list"),
    row("object for a number", written(weight='{"a":5}'), ("/weight", "wrong_type")),
    row("1 for a flag", written(fragile="1"), ("/fragile", "wrong_type"), words="'yes' or 'no'"),
    row("0 for a flag", written(fragile="0"), ("/fragile", "wrong_type")),
    row("text for a flag", written(fragile='"true"'), ("/fragile", "wrong_type")),
    row("a flag's word in other case", written(fragile='"Yes"'), ("/fragile", "wrong_type")),
    row("list for a flag", written(fragile="[]"), ("/fragile", "wrong_type")),
    row("9.5 for a whole number", written(pieces="9.5"), ("/pieces", "wrong_type")),
    row("below the range", written(weight="-0.001"), ("/weight", "out_of_range")),
    row("above the range", written(weight="100.00000000000003"), ("/weight", "out_of_range")),
    row("1e999", written(height="1e999"), ("/height", "not_finite")),
    row("-1e999", written(height="-1e999"), ("/height", "not_finite")),
    row("10**400", written(height="1" + 400 * "0"), ("/height", "not_finite")),
    row("-10**400", written(height="-1" + 400 * "0"), ("/height", "not_finite")),
    row("2**53+1", written(height=str(2**53 + 1)), ("/height", "not_finite")),
    row("2**63", written(height=str(2**63)), ("/height", "not_finite")),
    row("number for a category", written(colour="1"), ("/colour", "wrong_type")),
    row("fraction for a category", written(colour="1.5"), ("/colour", "wrong_type")),
    row("true for a category", written(colour="true"), ("/colour", "wrong_type")),
    row("list for a category", written(colour='["red"]'), ("/colour", "wrong_type")),
    row("unknown category", written(colour='"rad"'), ("/colour", "unknown_category"),
        words="did you mean 'red'?"),
    row("category in other case", written(colour='"Red"'), ("/colour", "unknown_category")),
    row("space before", written(colour='" red"'), ("/colour", "unknown_category")),
    row("space after", written(colour='"red "'), ("/colour", "unknown_category")),
    row("empty category", written(colour='""'), ("/colour", "unknown_category")),
    row("full-width letters", written(colour='"\uff52ed"'), ("/colour", "unknown_category")),
    row("NUL in a category", written(colour='"red\\u0000"'), ("/colour", "unknown_category")),
    row("emoji", written(colour='"\\ud83d\\ude00"'), ("/colour", "unknown_category")),
    row("raw emoji", written(colour='"😀"'), ("/colour", "unknown_category")),
    row("right to left", written(colour='"\u202eder"'), ("/colour", "unknown_category")),
    row("reserved word", written(colour='"__missing__"'), ("/colour", "unknown_category")),
    row("synonym in other case", written(colour='"Vermelho"'), ("/colour", "unknown_category")),
    row("100 kB of text", written(colour=f'"{"x" * 10**5}"'), ("/colour", "unknown_category")),
    row("key twice", written(**{'weight":12.5,"weight': "12.5"}), ("/weight", "repeated")),
    row("key thrice", b'{"note":1,"note":2,"note":3,' + written()[1:], ("/note", "repeated")),
    row("no keys", b"{}", *[(f"/{name}", "missing") for name in ("weight", "pieces", "colour",
                                                                  "fragile")]),
    row("data is a list", b'{"data": []}', ("/data", "wrong_type"), words="an object of columns"),
    row("data is null", b'{"data": null}', ("/data", "wrong_type")),
    row("a number", b"3", ("", "wrong_type"), words="send a record"),
    row("null", b"null", ("", "wrong_type")),
    row("true", b"true", ("", "wrong_type")),
    row("text", b'"x"', ("", "wrong_type")),
    row("six faults", written(weight='"5"', pieces="true", colour='"rad"', fragile="1",
                              express="null", height="1e999", wieght="1"),
        ("/weight", "wrong_type"), ("/pieces", "wrong_type"), ("/colour", "unknown_category"),
        ("/fragile", "wrong_type"), ("/height", "not_finite"), ("/wieght", "extra")),
]  # fmt: skip


@pytest.mark.parametrize(("body", "problems", "words"), REFUSED)
def test_record_when_wrong_is_refused_with_every_problem(
    toy_client: FlaskClient, body: bytes, problems: set[tuple[str, str]], words: str
) -> None:
    answer = read_problem(ask(toy_client, body), 422)

    assert problems == found(answer)
    assert len(problems) == len(answer["errors"])
    assert any(words in one["detail"] for one in answer["errors"])


MALFORMED = [
    pytest.param(b"", "is empty", id="empty"),
    pytest.param(b" \r\n\t", "is empty", id="blank"),
    pytest.param(b"{", "is not JSON", id="cut off"),
    pytest.param(written() + b",", "is not JSON", id="something after"),
    pytest.param(b"{'weight': 1}", "is not JSON", id="single quotes"),
    pytest.param(b'{"weight": 1,}', "is not JSON", id="trailing comma"),
    pytest.param(written(weight="012"), "is not JSON", id="leading zero"),
    pytest.param(written(weight="+1"), "is not JSON", id="plus sign"),
    pytest.param(written(weight="0x10"), "is not JSON", id="hexadecimal"),
    pytest.param(written(weight=".5"), "is not JSON", id="no digit before the point"),
    pytest.param(written(colour='"a\nb"'), "is not JSON", id="raw line end in text"),
    pytest.param(written(colour='"a\0b"'), "is not JSON", id="raw NUL in text"),
    pytest.param(written(weight="NaN"), "holds NaN", id="NaN"),
    pytest.param(written(weight="Infinity"), "holds Infinity", id="Infinity"),
    pytest.param(written(weight="-Infinity"), "holds -Infinity", id="-Infinity"),
    pytest.param(written(note="NaN"), "holds NaN", id="NaN in an ignored extra"),
    pytest.param(written(weight="1" * 5000), "too many digits", id="5,000 digits"),
    pytest.param(b"[" * 100_000, "nested too deeply", id="100,000 lists"),
    pytest.param(b'{"a":' * 100_000, "nested too deeply", id="100,000 objects"),
    pytest.param(b"[" * 10**5 + b"]" * 10**5, "nested too deeply", id="100,000 closed lists"),
    pytest.param(written(note="[" * 32 + "]" * 32), "nested too deeply", id="33 levels"),
    pytest.param(written(note="[" * 900 + '"\\ud83d\\ude00"' + "]" * 900), "too deeply",
                 id="900 levels and a surrogate pair"),
    pytest.param(written().decode().encode("utf-16"), "not UTF-8", id="UTF-16"),
    pytest.param(written().decode().encode("utf-16-be"), "not JSON", id="UTF-16 without mark"),
    pytest.param(written().decode().encode("utf-32"), "not UTF-8", id="UTF-32"),
    pytest.param(written(colour='"é"').decode().encode("latin-1"), "not UTF-8", id="latin-1"),
    pytest.param(b'{"colour": "\xc0\xaf"}', "not UTF-8", id="overlong UTF-8"),
    pytest.param(b'{"colour": "\xed\xa0\x80"}', "not UTF-8", id="raw lone surrogate"),
    pytest.param(b'{"\xed\xa0\x80": 1}', "not UTF-8", id="raw lone surrogate in a key"),
    pytest.param(written(colour='"\\ud800"'), "surrogate", id="escaped lone surrogate"),
    pytest.param(written(colour='"\\udC00x"'), "surrogate", id="escaped low surrogate"),
    pytest.param(written(colour='"\\ude00\\ud83d"'), "surrogate", id="pair the wrong way round"),
    pytest.param(written(**{"\\udfff": "1"}), "surrogate", id="escaped lone surrogate in a key"),
    pytest.param(written(note='["\\uD800"]'), "surrogate", id="lone surrogate in an extra"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "words"), MALFORMED)
def test_body_when_it_is_no_json_of_ours_is_refused_with_the_reason(
    toy_client: FlaskClient, body: bytes, words: str
) -> None:
    answer = read_problem(ask(toy_client, body), 400)

    assert words in answer["detail"]
    assert "errors" not in answer


ACCEPTED = [
    pytest.param(written(pieces="3.0"), id="3.0 for a whole number"),
    pytest.param(written(pieces="30e-1"), id="exponent for a whole number"),
    pytest.param(written(weight="12.50"), id="trailing zero"),
    pytest.param(written(weight="1.25E+1"), id="exponent"),
    pytest.param(written(colour='"\\u0072ed"'), id="escaped letter"),
    pytest.param(written(colour='"vermelho"'), id="synonym of a category"),
    pytest.param(written(fragile='"yes"'), id="synonym of a flag"),
    pytest.param(written(note='{"any": ["thing", 1e999]}'), id="ignored extra"),
    pytest.param(written(note='"\\ud83d\\ude00"'), id="surrogate pair"),
    pytest.param(written(note='"\\\\ud800"'), id="backslash and letters like a surrogate"),
    pytest.param(written(note="[" * 31 + "]" * 31), id="32 levels"),
    pytest.param(b"\r\n " + written() + b"\n\t", id="blanks around"),
    pytest.param(json.dumps(dict(reversed(GOOD.items()))).encode(), id="keys in another order"),
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_record_when_written_oddly_but_rightly_answers_as_the_plain_one(
    toy_client: FlaskClient, body: bytes
) -> None:
    plain = ask(toy_client, json.dumps(GOOD).encode())

    answer = ask(toy_client, body)

    assert 200 == answer.status_code
    assert read_strictly(plain.data)["prediction"] == read_strictly(answer.data)["prediction"]
    assert "warnings" not in read_strictly(answer.data)


@pytest.mark.parametrize("number", ["0", "-0.0", "5e-324", "100", "1e-400"])
def test_record_when_a_number_is_at_the_end_of_its_range_is_answered(
    toy_client: FlaskClient, number: str
) -> None:
    answer = ask(toy_client, written(weight=number))

    assert 200 == answer.status_code
    assert "warnings" not in read_strictly(answer.data)


def test_record_when_optional_fields_are_null_answers_as_when_they_are_absent(
    toy_client: FlaskClient,
) -> None:
    absent = ask(toy_client, without("height", "shape", "express"))

    answer = ask(toy_client, written(height="null", shape="null", express="null"))

    assert 200 == answer.status_code
    assert read_strictly(absent.data)["prediction"] == read_strictly(answer.data)["prediction"]


def test_record_when_its_policy_accepts_a_value_is_answered_with_a_warning(
    toy_client: FlaskClient,
) -> None:
    answer = ask(toy_client, written(pieces="999", shape='"tbue"'))

    warnings = {"errors": read_strictly(answer.data)["warnings"]}
    assert 200 == answer.status_code
    assert {("/pieces", "out_of_range"), ("/shape", "unknown_category")} == found(warnings)
    assert "did you mean 'tube'?" in warnings["errors"][1]["detail"]


def test_record_when_its_policy_accepts_another_word_still_refuses_other_types(
    toy_client: FlaskClient,
) -> None:
    answer = ask(toy_client, written(pieces='"999"', shape="7"))

    expected = {("/pieces", "wrong_type"), ("/shape", "wrong_type")}
    assert expected == found(read_problem(answer, 422))


def test_record_when_it_has_thousands_of_problems_lists_the_first_thousand(
    toy_client: FlaskClient,
) -> None:
    body = json.dumps(GOOD | {f"extra {number}": 1 for number in range(5000)}).encode()

    answer = read_problem(ask(toy_client, body), 422)

    assert 1000 == len(answer["errors"])
    assert "more than 1000 problems" in answer["detail"]


def test_record_when_its_problems_just_fit_lists_them_all(toy_client: FlaskClient) -> None:
    body = json.dumps(GOOD | {f"extra {number}": 1 for number in range(1000)}).encode()

    answer = read_problem(ask(toy_client, body), 422)

    assert 1000 == len(answer["errors"])
    assert "the input has 1000 problems" == answer["detail"]


def test_record_when_the_model_ignores_extras_is_answered_with_any(
    toy_client: FlaskClient,
) -> None:
    plain = b'{"area":60,"rooms":2,"city":"Natal"}'
    extras = b'{"area":60,"rooms":2,"city":"Natal","Area":7,"":null,"note":[[]]}'

    expected = ask(toy_client, plain, path=RENT)
    answer = ask(toy_client, extras, path=RENT)

    assert 200 == answer.status_code
    assert expected.json["prediction"] == answer.json["prediction"]


def test_record_when_the_model_ignores_extras_still_refuses_a_key_given_twice(
    toy_client: FlaskClient,
) -> None:
    body = b'{"area":60,"rooms":2,"city":"Natal","note":1,"note":1}'

    answer = ask(toy_client, body, path=RENT)

    assert {("/note", "repeated")} == found(read_problem(answer, 422))


def test_record_when_its_answer_is_not_finite_is_refused(toy_client: FlaskClient) -> None:
    body = b'{"area":1.7e308,"rooms":2,"city":"Natal"}'

    answer = ask(toy_client, body, path=RENT)

    assert {("", "no_finite_answer")} == found(read_problem(answer, 422))
