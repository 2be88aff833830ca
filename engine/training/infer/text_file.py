"""A table in a text file, such as CSV: its encoding, delimiter, header and odd lines."""

import bz2
import codecs
import gzip
import lzma
import math
import re
import warnings
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from engine.languages import gettext as _
from engine.languages import local_number, mark
from engine.training.infer.layout import Code
from engine.training.infer.rows import (
    DELIMITERS,
    SAMPLE_BYTES,
    header_arguments,
    rows_before_header,
    split,
)
from engine.training.infer.source import Source, UnreadableTable

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
#: What a file begins with that is no text: how it is opened, or what is said of it.
_PACKED: dict[bytes, tuple[str, Callable[..., Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open), b"BZh": ("bz2", bz2.open), b"\xfd7zXZ": ("xz", lzma.open),
}  # fmt: skip
_OTHERS = {
    b"PK": mark("{path} is a zip archive or an Excel workbook: unpack it, or name it .xlsx"),
    b"PAR1": mark("{path} is Parquet: name it .parquet"),
    b"<!doctype html": mark("{path} is a web page: download the table itself"),
    b"<html": mark("{path} is a web page: download the table itself"),
}
#: Of a text with more cells, every second, third… row is read, so that they fit into memory.
_MOST_CELLS = 25_000_000
#: A larger share of lines that are too long is not passed over.
_MOST_BAD_LINES = 0.02


def read_text(path: Path) -> Source:
    """Read CSV or text like it; raise `UnreadableTable` where it is none."""
    encoding, text, lines, arguments = _decoded(path)
    if not text.strip():
        raise UnreadableTable(
            _("{path} is empty: give a table with a header and rows").format(path=path)
        )
    delimiter, rows = split(text)
    skipped = rows_before_header(rows)
    body = [row for row in rows[skipped:] if row]
    if delimiter != ",":
        arguments["sep"] = r"\s+" if delimiter == " " else delimiter
    if encoding != "utf-8":
        arguments["encoding"] = encoding
    named, notes = header_arguments(rows, skipped)
    arguments |= named or _width_arguments(path, body)
    if encoding in ("cp1252", "latin-1"):
        notes.append(
            _("it is not UTF-8, so it is read as {encoding}: check its accented letters").format(
                encoding=encoding
            )
        )
    read: dict[str, Any] = {}
    if (step := math.ceil(lines * len(body[0]) / _MOST_CELLS)) > 1:
        rule = f"(line - {skipped}) % {step} > 0" if skipped else f"line % {step} > 0"
        rule = f"line < {skipped} or {rule}" if skipped else rule
        arguments["skiprows"] = Code(f"lambda line: {rule}")
        read["skiprows"] = lambda line: line < skipped or (line - skipped) % step > 0
        notes.append(
            _("of about {lines} rows one in {step} is read: `skiprows` in load_data").format(
                lines=local_number(f"{lines:,}"), step=step
            )
        )
    arguments["skipinitialspace"] = True
    frame = _rectangle(path, arguments, read, notes)
    layout = f"{_(DELIMITERS[delimiter])}, {encoding}"
    return Source(frame.reset_index(drop=True), "read_csv", arguments, layout, notes=notes)


def _width_arguments(path: Path, rows: list[list[str]]) -> dict[str, Any]:
    """Return the arguments for rows that are all longer than their header, as R writes them.

    Pandas would take the first row's cells that are too many for names of the rows.
    """
    width, longer = len(rows[0]), [row for row in rows[1:] if len(row) > len(rows[0])]
    if not longer or longer[0] is not rows[1]:
        return {}
    if {*map(len, rows[1:])} == {width + 1}:
        if not any(row[-1] for row in longer):
            return {"usecols": range(width)}
        if len({row[0] for row in longer}) == len(longer):
            return {"index_col": 0}
    raise UnreadableTable(
        _(
            "{path} has {longer} cells in its first row and {width} in its header: name each "
            "column, and quote cells that hold the delimiter"
        ).format(path=path, longer=len(longer[0]), width=width)
    )


def _rectangle(
    path: Path, arguments: dict[str, Any], read: dict[str, Any], notes: list[str]
) -> pd.DataFrame:
    """Read the rows; a few that have too many cells are passed over, as the arguments say then."""
    text: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_filter": False}
    try:
        return pd.read_csv(path, **text, **(arguments | read))
    except pd.errors.ParserError as error:
        if "saw" not in str(error):
            raise
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            frame = pd.read_csv(path, on_bad_lines="warn", **text, **(arguments | read))
        bad = sum(str(each.message).count("Skipping line") for each in told)
        if bad > _MOST_BAD_LINES * len(frame):
            width, line, cells = re.findall(r"\d+", str(error))[-3:]
            raise UnreadableTable(
                _(
                    "{path} has {bad} lines with too many cells, such as line {line}, which "
                    "has {cells} instead of {width}: quote cells that hold the delimiter"
                ).format(path=path, bad=bad, line=line, cells=cells, width=width)
            ) from error
    arguments["on_bad_lines"] = "skip"
    notes.append(
        _("lines with more cells than the header are left out ({bad}): quote such cells").format(
            bad=bad
        )
    )
    return frame


def _decoded(path: Path) -> tuple[str, str, int, dict[str, Any]]:
    """Return the encoding of a file, the text at its start, its lines and how it is packed."""
    with path.open("rb") as file:
        start = file.read(64)
    for first, sentence in _OTHERS.items():
        if start.lstrip().lower().startswith(first.lower()):
            raise UnreadableTable(_(sentence).format(path=path))
    packing, opened = next(
        (way for mark, way in _PACKED.items() if start.startswith(mark)), ("", open)
    )
    endings = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz"}
    is_told = path.suffix.lower() == endings.get(packing, path.suffix.lower())
    with opened(path, "rb") as file:
        start = file.read(SAMPLE_BYTES)
        encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "")
        encoding = encoding or _utf16(path, start)
        blocks = chain([start], iter(lambda: file.read(1 << 24), b""))
        is_utf8, lines = _utf8_lines(blocks)
    if not encoding:
        encoding = "utf-8" if is_utf8 else "cp1252" if _is_cp1252(start) else "latin-1"
    text = start.decode(encoding, errors="ignore")
    text = text if len(start) < SAMPLE_BYTES else text.rpartition("\n")[0]
    return encoding, text, lines, {} if is_told else {"compression": packing}


def _utf16(path: Path, start: bytes) -> str:
    """Return the encoding of UTF-16 without a mark; UnreadableTable where bytes are no text."""
    if b"\0" not in start:
        return ""
    shares = [start[place::2].count(b"\0") / (len(start) / 2) for place in (0, 1)]
    if max(shares) > 0.5 and min(shares) == 0:
        return "utf-16-be" if shares[0] else "utf-16-le"
    raise UnreadableTable(
        _("{path} is not text: give CSV, Parquet, JSON lines or Excel").format(path=path)
    )


def _is_cp1252(start: bytes) -> bool:
    return not {*start} & {0x81, 0x8D, 0x8F, 0x90, 0x9D}


def _utf8_lines(blocks: Iterable[bytes]) -> tuple[bool, int]:
    """Return whether bytes are UTF-8, and their lines."""
    decoder, is_utf8, lines = codecs.getincrementaldecoder("utf-8")(), True, 0
    for block in blocks:
        lines += block.count(b"\n")
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            is_utf8 = False
    return is_utf8, lines
