"""A table in blocks: parts that fit in memory, whatever the length of the whole."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from engine.languages import gettext as _
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, pointer_to
from engine.records.upload import Upload
from engine.records.validation import Accepted, read_records
from engine.schema.record_schema import Coding, Schema

#: The piece of a text that is read at a time, and the longest row of any table, in bytes.
PIECE, LONGEST_ROW = 2**18, 2**20

#: The rows that are read of a binary table at a time.
MOST_ROWS = 8192

#: The rows that are read value by value at a time, so that many problems are found early.
MOST_SLOW_ROWS = 1024


class Block(NamedTuple):
    """Some rows of a table.

    Attributes
    ----------
    first, size : int
        The number of the first row in the whole table, and how many there are.
    matrix : ndarray of shape (size, n_fields) or None
        Clean values as `engine.schema.json_decoder.Decoded` has them; None
        when there are problems.
    """

    first: int
    size: int
    matrix: Any
    problems: list[Problem]
    warnings: list[Accepted]

    def parts(self, most: int) -> "Iterator[Block]":
        """Return the rows of a block without problems in smaller blocks."""
        for start in range(0, self.size, most):
            part = self.matrix[start : start + most]
            rows = range(self.first + start, self.first + start + len(part))
            warnings = [warning for warning in self.warnings if warning.row in rows]
            yield Block(rows[0], len(part), part, [], warnings)


def read_slowly(rows: list[Any], schema: Schema, *, first: int, is_table: bool) -> Block:
    """Read rows value by value, and name every problem and warning.

    The parameters are those of `Records`.
    """
    records = Records(
        rows, lambda row, name: f"/{row}{pointer_to(name)}", is_table=is_table, first=first
    )
    try:
        columns, warnings = read_records(records, schema)
    except InvalidRecords as error:
        return Block(first, len(rows), None, error.problems, [])
    return Block(first, len(rows), Coding(schema.fields).pack(columns), [], warnings)


def whole_lines(upload: Upload, *, ends: tuple[bytes, ...]) -> Iterator[bytes]:
    """Read a text in pieces that end with a line; it ends with the first of `ends` in the piece.

    Raise `BadRequest` with 413 when a line is longer than `LONGEST_ROW`.
    """
    text, is_last = b"", False
    while not is_last:
        piece = upload.read(PIECE)
        text, is_last = text + piece, len(piece) < PIECE
        if len(text) > LONGEST_ROW and not any(end in text[:LONGEST_ROW] for end in ends):
            raise too_long()
        # The last byte may be the first half of a line end.
        end = next((at for line_end in ends if (at := text.rfind(line_end, 0, -1) + 1)), 0)
        end = len(text) if is_last else end
        if end:
            yield text[:end]
        text = text[end:]


def too_long() -> BadRequest:
    """Return the refusal of a row that is too long."""
    return BadRequest(
        413,
        _("a row is longer than {longest_row} bytes: a record is short").format(
            longest_row=LONGEST_ROW
        ),
    )
