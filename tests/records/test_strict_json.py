"""How much a short text may become: counted before anything is made of it."""

import json
import tracemalloc

import pytest

from engine.records.json_reader import may_have_too_many
from engine.records.rows import MAX_RECORDS
from engine.records.strict_json import (
    MAX_NESTING,
    InvalidJson,
    TooManyValues,
    read_json,
    refuse_large_tree,
)

BYTES = 2**17

HOSTILE = {
    "lists in lists": b"[" + b",".join([b"[" * 30 + b"]" * 30] * (BYTES // 61)) + b"]",
    "empty lists": b"[" + b",".join([b"[]"] * (BYTES // 3)) + b"]",
    "objects": b"[" + b",".join([b'{"":0}'] * (BYTES // 7)) + b"]",
    "keys": b"{" + b",".join(b'"%x":0' % n for n in range(BYTES // 10)) + b"}",
    "words": b"[" + b",".join([b'"ab"'] * (BYTES // 5)) + b"]",
    "numbers": b"[" + b",".join([b"1e0"] * (BYTES // 4)) + b"]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_text_when_it_is_five_times_as_long_is_refused_or_takes_no_more_than_that(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 9 * BYTES
    monkeypatch.setattr("engine.records.strict_json.MOST_TREE_BYTES", most)

    tracemalloc.start()
    try:
        read_json(HOSTILE[name])
    except TooManyValues:
        peak = tracemalloc.get_traced_memory()[1]
        assert peak < BYTES / 2
    else:
        assert tracemalloc.get_traced_memory()[0] < most * 1.2
    finally:
        tracemalloc.stop()


def test_text_when_it_has_ten_thousand_records_is_not_too_much() -> None:
    record = {f"field_{n}": 1.5 for n in range(20)}

    refuse_large_tree(json.dumps([record] * MAX_RECORDS).encode())


def test_body_when_it_has_more_objects_than_records_may_have_too_many() -> None:
    record = b'{"a":1}'

    assert not may_have_too_many(b"[" + b",".join([record] * MAX_RECORDS) + b"]")
    assert may_have_too_many(b"[" + b",".join([record] * (MAX_RECORDS + 5)) + b"]")
    assert not may_have_too_many(b"{" * 100)


@pytest.mark.parametrize("inner", [b"", b"1", b'{"a":[]}'])
def test_depth_when_it_is_found_among_plain_values_is_exact(inner: bytes) -> None:
    extra = 2 if b"{" in inner else 0
    lists = MAX_NESTING - extra

    read_json(b"[1," * (lists - 1) + b"[" + inner + b"]" * lists)
    with pytest.raises(InvalidJson, match="nested"):
        read_json(b"[1," * lists + b"[" + inner + b"]" * (lists + 1))
