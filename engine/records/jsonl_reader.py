"""JSON lines, block by block: one record per line."""

import re
from codecs import BOM_UTF8
from collections.abc import Generator
from typing import Any

from engine.records.blocks import Block, read_slowly, whole_lines
from engine.records.problems import BadRequest
from engine.records.strict_json import InvalidJson, read_json
from engine.records.upload import Upload
from engine.schema.json_decoder import Decoder
from engine.schema.record_schema import Schema

#: Lines that are not blank, without the space before them.
_LINES = re.compile(rb"\S[^\n]*")


def read_lines(upload: Upload, schema: Schema, decoder: Decoder) -> Generator[Block]:
    """Read JSON lines; blank lines are skipped.

    Raise `BadRequest` with 400 for a line that is not JSON, with 413 for one that is too long.
    """
    first, line = 0, 1
    for piece in whole_lines(upload, ends=(b"\n",)):
        piece = piece.removeprefix(BOM_UTF8) if line == 1 else piece
        decoded = decoder.read_lines(piece)
        if decoded is not None:
            block = Block(first, len(decoded.matrix), decoded.matrix, [], [])
        else:
            rows = _read_rows(piece, line)
            block = read_slowly(rows, schema, first=first, is_table=False)
        line += piece.count(b"\n")
        first += block.size
        if block.size:
            yield block


def _read_rows(piece: bytes, first: int) -> list[Any]:
    rows = []
    for line in _LINES.finditer(piece):
        try:
            rows.append(read_json(line[0]))
        except InvalidJson as error:
            number = first + piece.count(b"\n", 0, line.start())
            raise BadRequest(400, f"line {number} {error}") from error
    return rows
