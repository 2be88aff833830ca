"""The fast decoder and the slow validation agree on what is valid, and on what it means."""

import json
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.records.json_reader import read_body
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.validation import read_records
from engine.schema import Category, Flag, Number
from engine.schema.json_decoder import Decoder
from engine.schema.record_schema import Schema
from tests.attacks.test_random_bodies import changed_bodies, changed_records, values
from tests.support.inputs import many
from tests.support.models import EXAMPLES, TOYS

#: Every policy, and names that Python would not take.
SCHEMA = Schema(
    fields=(
        Number(name="petal length (cm)", example=1.5),
        Number(name="_whole", example=3, integer=True, minimum=-5, maximum=1e300),
        Number(name="class", example=1, minimum=0, missing="accept", out_of_range="accept"),
        Category(name="kind", example="a:b", categories=("a:b", "é", "\\", "true"),
                 missing="accept", synonyms={"e": "é"}, unknown="accept"),
        Category(name="size", example="s", categories=("s", "m")),
        Flag(name="is new", example=True, synonyms={"yes": True, "no": False}),
        Flag(name="old", example=False, missing="accept"),
        Category(name="grade", example=3, categories=(-5, 0, 3), missing="accept"),
    ),
    target=Number(name="y", example=1),
    extras=("approved", "note"),
)  # fmt: skip
DECODER = Decoder(SCHEMA)
NAMES = [one.name for one in SCHEMA.fields]

numbers = st.sampled_from(
    ["0", "-0", "-0.0", "3", "3.0", "3.5", "1e2", "1E+2", "0.1", "1e-400", "1e999", "01", "1.", "-",
     "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "9" * 400,
     "9007199254740991.5", "3.00000000000000000000000001", "0." + "1" * 400, "NaN", "-Infinity",
     "123456789012345678901234567890", "5e-324", "2.2250738585072014e-308", "4.35", "8.5e22"]
)  # fmt: skip
tokens = (
    numbers
    | st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
    | st.integers(-(2**60), 2**60).map(str)
    | st.sampled_from(
        ['"a:b"', '"é"', '"\\u00e9"', '"e"', '"\\\\"', '"true"', '"s"', '"x"', '"yes"']
    )
    | st.sampled_from(
        ["true", "false", "null", "[]", "{}", '"\\ud800"', '"', '"3"', "tru", '"yes"', "", '"3.0"']
    )
    | values.map(lambda value: json.dumps(value, ensure_ascii=False))
)
GOOD = {
    "petal length (cm)": "1.5", "_whole": "3", "class": "1", "kind": '"a:b"', "size": '"s"',
    "is new": "true", "old": "false", "grade": "3",
}  # fmt: skip


def read_slowly(body: bytes, schema: Schema) -> list[list[float]] | str:
    """Read a body field by field: coded rows, or why not, or that there are warnings."""
    try:
        columns, warnings = read_records(read_body(body, schema), schema)
    except (BadRequest, InvalidRecords) as error:
        return type(error).__name__
    if warnings:
        return "warnings"
    coded = [
        [one.word_codes[value] for value in columns[one.name]]
        if one.kind == "category"
        else columns[one.name]
        for one in schema.fields
    ]
    return [list(row) for row in zip(*coded, strict=True)]


def same(one: list[list[float]], other: list[list[float]]) -> bool:
    """Compare bit for bit, but for gaps, which are alike."""
    flat = [[value for row in rows for value in row] for rows in (one, other)]
    return len(one) == len(other) and all(
        (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
        for a, b in zip(*flat, strict=True)
    )


def assert_agree(body: bytes, schema: Schema, decoder: Decoder) -> bool:
    decoded = decoder.read(body)
    if decoded is None:
        return False
    slow = read_slowly(body, schema)
    assert not isinstance(slow, str), slow
    assert same(slow, decoded.matrix.tolist()), (slow, decoded.matrix.tolist())
    assert body.lstrip()[:1] == b"{" or not decoded.is_single
    return True


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw the text of a record, a list or columns, in which most is good."""

    def record() -> list[tuple[str, str]]:
        found = dict(GOOD)
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=3)):
            if draw(st.booleans()):
                found[name] = draw(tokens)
            else:
                found.pop(name, None)
        pairs = list(found.items())
        if draw(st.integers(0, 3)) == 0:
            extra = draw(st.sampled_from(["approved", "note", "other", "data", *NAMES]))
            pairs.insert(draw(st.integers(0, len(pairs))), (extra, draw(tokens)))
        return draw(st.permutations(pairs))

    def write(pairs: list[tuple[str, str]]) -> str:
        space = draw(st.sampled_from(["", " ", "\n\t", "\r"]))
        return "{" + ",".join(f"{space}{json.dumps(k)}:{space}{v}" for k, v in pairs) + space + "}"

    form = draw(st.sampled_from(["record", "list", "columns"]))
    if form == "record":
        text = write(record())
    elif form == "list":
        text = "[" + ",".join(write(record()) for _ in range(draw(st.integers(0, 3)))) + "]"
    else:
        pairs = [(name, f"[{value}]") for name, value in record()]
        text = '{"data":' + write(pairs) + "}"
    return draw(st.sampled_from(["", " ", "\n" * 70, "\ufeff"])).encode() + text.encode(
        errors="surrogatepass"
    )


@settings(max_examples=many(3000))
@given(body=bodies())
def test_decoder_when_it_takes_a_body_reads_what_the_validation_reads(body: bytes) -> None:
    assert_agree(body, SCHEMA, DECODER)


@settings(max_examples=many(500))
@given(changed=changed_bodies())
def test_decoder_when_bytes_are_changed_takes_only_what_is_valid(
    changed: tuple[str, str, bytes],
) -> None:
    model, kind, body = changed
    assume(kind == "application/json")

    assert_agree(body, TOYS[model].schema, Decoder(TOYS[model].schema))


@settings(max_examples=many(500))
@given(data=st.data(), model=st.sampled_from(sorted(TOYS)))
def test_decoder_when_records_are_changed_takes_only_what_is_valid(
    data: st.DataObject, model: str
) -> None:
    body = json.dumps(data.draw(changed_records(model))).encode()

    assert_agree(body, TOYS[model].schema, Decoder(TOYS[model].schema))


PLAIN: dict[str, Any] = {name: json.loads(value) for name, value in GOOD.items()} | {"kind": "é"}


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        [PLAIN],
        [PLAIN] * 50,
        {"data": {name: [value] * 3 for name, value in PLAIN.items()}},
        PLAIN | {"approved": True, "note": "as it was"},
        PLAIN | {"class": None, "kind": None, "old": None},
        PLAIN | {"grade": "3"},
        PLAIN | {"kind": "a:b"},
        [PLAIN | {"kind": "a:b"}, PLAIN],
        PLAIN | {"grade": 3.0},
        PLAIN | {"grade": -5},
        {name: value for name, value in PLAIN.items() if name not in ("class", "kind", "old")},
        PLAIN | {"kind": "e", "is new": "no", "_whole": 4.0, "petal length (cm)": -3},
        PLAIN | {"petal length (cm)": 2**53 - 1},
    ],
)
def test_decoder_when_a_body_is_plain_takes_it(body: Any) -> None:
    # Both paths answer alike, so only this tells that the fast one is used.
    assert assert_agree(json.dumps(body).encode(), SCHEMA, DECODER)
    assert assert_agree(json.dumps(body, ensure_ascii=False, indent=1).encode(), SCHEMA, DECODER)


@pytest.mark.parametrize("text", [
    '{"note": "a:b", "note": "c"}', '{"note": "a:b", "note" : "c"}', '{"note" : "a", "note": "c:"}',
    '{"note": "a", "note"\n:"c"}', '{"note": "\\":", "note" : "c"}',
])  # fmt: skip
def test_decoder_when_a_key_is_repeated_beside_colons_takes_nothing(text: str) -> None:
    field = Category(name="note", example="c", categories=("a", "a:b", "c", "c:", '":'))
    decoder = Decoder(Schema((field,), Number(name="y", example=1.0)))

    assert None is decoder.read(text.encode())
    assert None is decoder.read(f"[{text}]".encode())
    assert None is not decoder.read(b'{"note": "a:b"}')


@pytest.mark.parametrize("model", sorted(TOYS))
def test_decoder_when_given_an_example_takes_it(model: str) -> None:
    schema = TOYS[model].schema

    assert assert_agree(json.dumps(EXAMPLES[model]).encode(), schema, Decoder(schema))


@pytest.mark.parametrize("name", ['a "good" one', "back\\slash", "a\tb"])
def test_name_when_the_decoder_takes_none_such_is_read_slowly_or_refused(name: str) -> None:
    field = Number(name="a", example=1.0)
    decoder = Decoder(Schema((field,), Number(name="y", example=1.0), extras=(name,)))

    assert decoder.pack(json.dumps({"a": 1.0, name: 2}).encode()) is None
    assert decoder.pack(b'{"a": 1.0}') is not None
    assert any("name is" in text for text in Number(name=name, example=1.0).contradictions())
