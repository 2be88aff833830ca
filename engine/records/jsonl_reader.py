"""JSON lines, block by block: one record per line."""

import re
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any

from engine.languages import gettext as _
from engine.records.blocks import MOST_SLOW_ROWS, Block, read_slowly, whole_lines
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
        decoded = decoder.read_lines(piece)
        if decoded is not None:
            yield Block(first, len(decoded.matrix), decoded.matrix, [], [])
            first += len(decoded.matrix)
        else:
            rows = _read_rows(piece, line)
            while some := [*islice(rows, MOST_SLOW_ROWS)]:
                yield read_slowly(some, schema, first=first, is_table=False)
                first += len(some)
        line += piece.count(b"\n")


def _read_rows(piece: bytes, first: int) -> Iterator[Any]:
    for line in _LINES.finditer(piece):
        try:
            row = read_json(line[0])
        except InvalidJson as error:
            number = first + piece.count(b"\n", 0, line.start())
            raise BadRequest(
                400, _("line {number} {error}").format(number=number, error=error)
            ) from error
        yield row
