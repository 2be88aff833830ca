"""Tables: records in any number, read, predicted and written block by block.

The answer is written while the request is read, and sent once every row has
been checked. So the status shows whether all rows are valid, and a client may
send everything before it reads anything.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any

from engine.languages import gettext as _
from engine.languages import mark
from engine.records.arrow_support import read_arrow
from engine.records.blocks import Block
from engine.records.csv_reader import read_csv
from engine.records.jsonl_reader import read_lines
from engine.records.media_types import DELIMITERS, LINES
from engine.records.problems import PROBLEMS_LISTED, InvalidRecords, Problem
from engine.records.spool import Spool
from engine.records.upload import Upload
from engine.records.writers import Writer
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion, non_finite_rows
from engine.schema.problem_codes import Code
from engine.serving.timing import Timing

#: How many numbers of an answer are in memory at a time.
_MOST_NUMBERS = 2**16


def answer_table(
    version: StoredVersion, upload: Upload, kind: str, form: type[Writer],
    *, delimiter: str = "", has_decimal_commas: bool | None = None, timing: Timing | None = None,
    decided: Callable[[Any, Decisions], None] = lambda matrix, decisions: None,
    count_rows: Callable[[int], None] = lambda rows: None,
) -> Spool:  # fmt: skip
    """Answer every row of a table.

    Parameters
    ----------
    kind : str
        The media type of what is uploaded.
    delimiter : str
        What separates the cells of text, where its media type does not say so.
    has_decimal_commas : bool, optional
        Whether numbers in text have them, where the table is a part of another.
    decided : callable
        Called with the records and the decisions of each part, while there is no
        problem; a later part may still be refused.
    count_rows : callable
        Called with the number of rows of each block before it is predicted; may refuse them.

    Raises
    ------
    BadRequest
        When the table cannot be read, or it or its answer is too large.
    InvalidRecords
        With every problem of every row, or more than can be listed.
    """
    blocks: Generator[Block]
    if kind in DELIMITERS:
        delimiter = delimiter or DELIMITERS[kind]
        blocks = read_csv(
            upload, version.schema, version.decoder, delimiter=delimiter,
            has_decimal_commas=has_decimal_commas,
        )  # fmt: skip
    elif kind == LINES:
        blocks = read_lines(upload, version.schema, version.decoder)
    else:
        blocks = read_arrow(upload, version.card["schema"], kind)
    with closing(blocks), ExitStack() as on_error:
        spool = Spool(upload.most, what=mark("the answer"))
        on_error.callback(spool.close)
        counted = _counted(blocks, count_rows)
        _write(version, counted, form(version, spool), timing or Timing(), decided)
        spool.seal()
        on_error.pop_all()
    return spool


def _counted(blocks: Iterator[Block], count_rows: Callable[[int], None]) -> Iterator[Block]:
    for block in blocks:
        count_rows(block.size)
        yield block


def _write(
    version: StoredVersion, blocks: Iterator[Block], writer: Writer, timing: Timing,
    decided: Callable[[Any, Decisions], None],
) -> None:  # fmt: skip
    problems: list[Problem] = []
    size = 0
    width = 2 + len(version.card["classes"] or ())
    for block in timing.each_in("validate", blocks):
        timing.note_progress()
        problems += block.problems
        if len(problems) > PROBLEMS_LISTED:
            break
        size += block.size
        for part in block.parts(max(1, _MOST_NUMBERS // width)) if not problems else ():
            with timing.step("predict"):
                decisions = version.decide_matrix(part.matrix)
            problems += _endless(version, decisions, part.matrix, part.first)
            if not problems:
                decided(part.matrix, decisions)
            with timing.step("write"):
                writer.add(decisions, part.warnings)
    if not size and not problems:
        problems = [Problem("", _("there are no records: send at least one"), Code.NO_RECORDS)]
    if problems:
        raise InvalidRecords(problems)
    writer.finish()


def _endless(
    version: StoredVersion, decisions: Decisions, matrix: Any, first: int
) -> list[Problem]:
    return [
        Problem(
            f"/{first + row}",
            _("record {first} {no_answer}").format(
                first=first + row + 1, no_answer=version.no_answer(matrix[row])
            ),
            Code.NO_FINITE_ANSWER,
        )
        for row in non_finite_rows(decisions)
    ]
