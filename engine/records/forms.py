"""The forms of records and of answers, which are all declared here."""

from typing import NamedTuple

from engine.records.arrow_support import ARROW_WRITER
from engine.records.media_types import ARROW, CSV, JSON, LINES, PARQUET
from engine.records.writers import CsvWriter, JsonWriter, LinesWriter, Writer


class Form(NamedTuple):
    """A form of records and answers: the command line uses its name, HTTP its media type.

    Attributes
    ----------
    writer : type of Writer or None
        None where this installation cannot write it.
    suffixes : tuple of str
        The endings of its files' names; empty for no files.
    parameters : str
        What follows the media type in Content-Type.
    is_answered : bool
        Whether HTTP answers in this form.
    description : str
        What an answer looks like; empty for binary forms.
    """

    name: str
    media_type: str
    writer: type[Writer] | None
    suffixes: tuple[str, ...] = ()
    parameters: str = ""
    is_answered: bool = True
    description: str = ""


#: Every form; the first is the default.
FORMS = (
    Form("json", JSON, JsonWriter),
    Form(
        "csv",
        CSV,
        CsvWriter,
        (".csv", ".tsv"),
        "; charset=utf-8",
        description="A line a prediction",
    ),
    Form("jsonl", LINES, LinesWriter, (".jsonl", ".ndjson"), description="A prediction a line"),
    Form("arrow", ARROW, ARROW_WRITER, (".arrow", ".arrows")),
    Form("parquet", PARQUET, None, (".parquet", ".pq"), is_answered=False),
)

#: The forms in which HTTP answers, by media type.
ANSWER_FORMS = {form.media_type: form for form in FORMS if form.is_answered}

#: The writers, by media type.
WRITERS = {form.media_type: form.writer for form in FORMS if form.writer}

#: The media types of the forms of files, by name.
KINDS = {form.name: form.media_type for form in FORMS if form.suffixes}

#: The media types that the suffixes of file names stand for.
SUFFIXES = {suffix: form.media_type for form in FORMS for suffix in form.suffixes}
