"""Compressed bodies: read like plain ones, and within a limit."""

import gzip
import io
import zlib
from collections.abc import Callable

import pytest

from engine.records.inflate import inflate
from engine.records.problems import BadRequest
from engine.records.upload import Upload

TEXT = b"".join(b"%d,%d\n" % (row, row * row) for row in range(100_000))
PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", [*PACK, " GZIP "])
def test_body_when_inflated_is_read_in_pieces_of_the_size_that_is_asked(encoding: str) -> None:
    packed = PACK[encoding.strip().lower()](TEXT)
    upload = inflate(Upload(io.BytesIO(packed), length=len(packed), most=2**30), encoding, 2**30)

    pieces = [*iter(lambda: upload.read(99_999), b"")]

    assert {99_999} == {*map(len, pieces[:-1])}
    assert b"".join(pieces) == TEXT
    assert packed == upload.in_memory()


@pytest.mark.parametrize(
    ("harm", "status", "words"),
    [
        (lambda packed: packed[:-1], 400, "ends before its gzip"),
        (lambda packed: packed + b"x", 400, "goes on after its gzip"),
        (lambda packed: packed[:100] + b"x" * 9 + packed[109:], 400, "is not gzip"),
        (lambda packed: gzip.compress(bytes(2**26)), 413, "more than 200 times as long"),
        (lambda packed: gzip.compress(TEXT + TEXT), 413, "larger than 2000000 bytes when inflated"),
    ],
)
def test_body_when_it_cannot_be_inflated_is_refused(
    harm: Callable[[bytes], bytes], status: int, words: str
) -> None:
    upload = inflate(Upload.of(harm(gzip.compress(TEXT))), "gzip", 2_000_000)

    with pytest.raises(BadRequest) as refused:
        upload.read_whole()

    assert status == refused.value.status
    assert words in refused.value.detail


def test_body_when_it_inflates_without_end_takes_no_memory() -> None:
    bomb = gzip.compress(bytes(2**27), 9)
    upload = inflate(Upload.of(bomb), "gzip", 2**40)
    taken: list[int] = []

    with pytest.raises(BadRequest):
        taken.extend(map(len, iter(lambda: upload.read(2**16), b"")))

    assert sum(taken) <= 2**20
