"""A table that a person sends from a page, as a file or pasted rows, answered as a CSV file.

It is an ordinary request with a table, whose encoding and separator are recognised.
"""

import io
from collections.abc import Sequence
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from engine.api.requests import choose_version
from engine.api.resources import Resources
from engine.api.responses import respond, version_headers
from engine.languages import gettext as _
from engine.languages import local_number
from engine.pages.controls import label_of
from engine.records.charsets import as_utf8, recognised_charset
from engine.records.csv_layout import recognised_delimiter
from engine.records.forms import ANSWER_FORMS, WRITERS
from engine.records.media_types import CSV
from engine.records.problems import BadRequest, Problem
from engine.records.upload import Upload
from engine.schema.record_schema import Schema

#: So many bytes show how a table is laid out.
_HEAD = 2**16

#: A page lists so many problems of a table.
_MOST_PROBLEMS = 20


def answer_sent_table(shared: Resources, name: str, schema: Schema) -> Response:
    """Return the answers to the table in the form of the request in progress."""
    stream = _sent(shared.max_table_bytes)
    charset = recognised_charset(stream.read)
    stream.seek(0)
    head = stream.read(_HEAD).decode(charset, "replace").lstrip("\ufeff")
    stream.seek(0)
    delimiter = recognised_delimiter(iter(head.splitlines()), schema)
    upload = Upload(stream, length=None, most=shared.max_table_bytes)
    chosen = choose_version(shared.predictor, upload, model=name)
    answers = shared.predictor.answer_table(
        chosen, as_utf8(upload, charset), CSV, WRITERS[CSV], delimiter=delimiter
    )
    headers = {
        **version_headers(chosen.version),
        "Content-Disposition": f'attachment; filename="{file_name(name)}"',
    }
    return respond(answers, CSV + ANSWER_FORMS[CSV].parameters, headers)


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
