"""A table that a person sends from a page, as a file or pasted rows, answered as a CSV file.

It is an ordinary request with a table, whose encoding and separator are recognised. The answers
come back behind the columns that were sent, written as those are.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, count
from typing import Any
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import HTTPException

from engine.api.requests import choose_version
from engine.api.resources import Resources
from engine.api.responses import respond, version_headers
from engine.languages import ENGLISH, language, local_number, mark
from engine.languages import gettext as _
from engine.pages.controls import AMBIGUOUS, is_number, label_of
from engine.records.charsets import as_utf8, recognised_charset
from engine.records.csv_layout import Layout, recognised_delimiter, stated_delimiter
from engine.records.csv_reader import read_rows
from engine.records.forms import WRITERS
from engine.records.media_types import CSV
from engine.records.problems import BadRequest, InvalidRecords, Problem
from engine.records.rows import pointer_to
from engine.records.spool import Spool
from engine.records.upload import Upload
from engine.records.writers import csv_text
from engine.runtime.version import StoredVersion
from engine.schema.record_schema import Schema

#: So many bytes show how a table is laid out.
_HEAD = 2**16

#: A page lists so many problems of a table.
_MOST_PROBLEMS = 20

#: A number with a point, which can only be a decimal one unless it is `AMBIGUOUS`.
_POINTED = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?", re.ASCII)

#: How browsers call the encodings that are recognised.
_CHARSETS = {"utf-8-sig": "utf-8", "cp1252": "windows-1252"}


def answer_sent_table(shared: Resources, name: str) -> Response:
    """Return the table in the form of the request in progress, with the answers to its rows."""
    most = shared.max_table_bytes
    stream = _sent(most)
    upload = Upload(stream, length=None, most=most)
    chosen = choose_version(shared.predictor, upload, model=name)
    schema = chosen.version.schema
    charset = recognised_charset(stream.read)
    head = _from_start(stream, charset, most).read(_HEAD).decode("utf-8", "replace")
    lines = [*io.StringIO(head.removeprefix("\ufeff"), newline="")]
    delimiter = recognised_delimiter(iter(lines), schema)

    def read() -> tuple[Layout, Iterator[Sequence[str]]]:
        return read_rows(_from_start(stream, charset, most), schema, delimiter=delimiter)

    has_commas = _writes_decimal_commas(*read(), schema)
    stream.seek(0)
    answers = shared.predictor.answer_table(
        chosen, as_utf8(upload, charset), CSV, WRITERS[CSV], delimiter=delimiter
    )
    written = charset
    if head.startswith("\ufeff") or not _has_letters(charset, answers):
        written = "utf-8-sig"
    spool: Any = Spool(2 * most, what=mark("the answer"))
    out = codecs.getwriter(written)(spool)
    layout, rows = read()
    end = "\r\n" if "\r\n" in head else "\n"
    if lines and stated_delimiter(lines[0]):
        out.write(lines[0].rstrip("\r\n") + end)
    with closing(answers):
        names, joined = _join(layout, rows, answers, chosen.version, has_commas=has_commas)
        out.writelines(csv_text(chain([names], joined), layout.delimiter, end))
    spool.seal()
    headers = {
        **version_headers(chosen.version),
        "Content-Disposition": f'attachment; filename="{file_name(name)}"',
        # With these, the script of the page shows the first answers.
        "X-Delimiter": quote(layout.delimiter),
        "X-Answer-Columns": str(len(names) - len(layout.names)),
    }
    return respond(spool, f"{CSV}; charset={_CHARSETS.get(written, written)}", headers)


def _from_start(stream: Any, charset: str, most: int) -> Upload:
    stream.seek(0)
    return as_utf8(Upload(stream, length=None, most=most), charset)


def _writes_decimal_commas(layout: Layout, rows: Iterable[Sequence[str]], schema: Schema) -> bool:
    """Return whether the writer of a table writes decimal commas.

    Where cells are separated as in countries with decimal commas, it does unless a number has a
    decimal point. There 1.129 may be a thousand and more: it is refused, unless another number of
    its column shows that points are decimal ones.
    """
    if layout.has_decimal_commas:
        return True
    if layout.delimiter not in ({";", "\t"} if language() != ENGLISH else {";"}):
        return False
    sources = schema.find_columns(layout.names).sources
    places = {field.name: layout.names.index(sources[field.name]) for field in schema.fields
              if field.name in sources and is_number(field)}  # fmt: skip
    # Of the columns where no number has shown it yet.
    problems: dict[str, list[Problem]] = {name: [] for name in places}
    for number, row in enumerate(rows):
        for name in [*problems] if len(row) == len(layout.names) else ():
            cell = row[places[name]].strip()
            if not _POINTED.fullmatch(cell):
                continue
            if not AMBIGUOUS.fullmatch(cell):
                del problems[name]
            elif len(problems[name]) < _MOST_PROBLEMS:
                pointer = f"/{number}{pointer_to(name)}"
                problems[name].append(Problem(pointer, _two_readings(cell)))
        if not problems:
            break
    if listed := [*chain.from_iterable(problems.values())]:
        raise InvalidRecords(listed)
    return len(problems) == len(places)


def _two_readings(cell: str) -> str:
    """Say what a number such as 1.129 may mean."""
    text = _(
        "{text} may mean {whole}, with a point between thousands, or {fraction}, with a decimal "
        "point: write thousands without a point, or separate the cells by commas"
    )
    return text.format(text=cell, whole=cell.replace(".", ""), fraction=local_number(cell))


def _has_letters(charset: str, answers: Spool) -> bool:
    """Return whether an encoding has all letters of the answers, as those of a class."""
    try:
        for _text in codecs.iterencode(codecs.iterdecode(answers, "utf-8"), charset):
            pass
    except UnicodeEncodeError:
        return False
    return True


def _join(
    layout: Layout, rows: Iterable[Sequence[str]], answers: Spool, version: StoredVersion,
    *, has_commas: bool,
) -> tuple[list[str], Iterator[Sequence[str]]]:  # fmt: skip
    """Return the header and the rows, with the answers behind them."""
    # Identifiers are among what was sent; warnings come last.
    columns = [column for column in version.answer_columns for _header in column.headers]
    kept = [*(not column.is_echo for column in columns), True]
    commas = [*(has_commas and not column.labels for column in columns), False]
    answers.file.seek(0)
    answered = csv.reader(io.TextIOWrapper(answers.file, "utf-8", newline=""))
    head = [*layout.names]
    for name, is_kept in zip(next(answered), kept, strict=True):
        if is_kept:
            head.append(_new_name(name, head))

    def written(answer: Sequence[str]) -> list[str]:
        cells = zip(answer, kept, commas, strict=True)
        return [cell.replace(".", ",") if has_comma else cell
                for cell, is_kept, has_comma in cells if is_kept]  # fmt: skip

    return head, ([*row, *written(answer)] for row, answer in zip(rows, answered, strict=True))


def _new_name(name: str, taken: Sequence[str]) -> str:
    """Return how a column of answers is called beside others."""
    names = (f"predicted_{name}{end}" for end in chain([""], (f"_{n}" for n in count(2))))
    return next(each for each in chain([name], names) if each not in taken)


def file_name(model: str) -> str:
    """Return how the file with the answers of a model is called."""
    return f"{model}-answers.csv"


def size_text(size: int) -> str:
    """Write a number of bytes for people."""
    unit = next(power for power in (3, 2, 1, 0) if size >= 1024**power or not power)
    return f"{local_number(f'{size / 1024**unit:.4g}')} {('bytes', 'KiB', 'MiB', 'GiB')[unit]}"


def _sent(most: int) -> Any:
    """Return the file or the pasted text of a form; raise `BadRequest` where there is neither."""
    # A file goes to the disk while it arrives; other values stay in memory.
    request.max_form_memory_size, request.max_content_length = request.max_content_length, most
    try:
        file, text = request.files.get("file"), request.form.get("text", "")
    except HTTPException:
        raise
    except Exception as error:  # servers raise their own for broken chunks
        raise BadRequest(400, "the body cannot be read: its chunks are malformed") from error
    if file and file.filename:
        return file.stream
    if not text.strip():
        raise BadRequest(422, _("there is no table: choose a file, or paste rows with a header"))
    return io.BytesIO(text.encode("utf-8", "replace"))


def place_problems(problems: Sequence[Problem], schema: Schema) -> list[str]:
    """Say in which row and column of a table each problem is."""
    labels = {field.name: label_of(field) for field in schema.fields}
    texts = []
    for problem in problems[:_MOST_PROBLEMS]:
        row, _slash, name = problem.pointer.removeprefix("/").partition("/")
        name = name.replace("~1", "/").replace("~0", "~")
        place = _("Row {row}, {column}") if name else _("Row {row}")
        detail = problem.detail[:1].upper() + problem.detail[1:]
        if row.isdecimal():
            place = place.format(row=int(row) + 1, column=labels.get(name, name))
            detail = f"{place}: {problem.detail}"
        texts.append(f"{detail}.")
    return texts
