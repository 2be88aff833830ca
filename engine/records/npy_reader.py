"""NumPy's file of an array of numbers; nothing in it is unpickled."""

import io
import math
import re
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.records.problems import BadRequest
from engine.records.rows import Records, refuse_too_many
from engine.records.rows_reader import read_rows
from engine.schema.record_schema import Schema

#: The media type, as SageMaker's clients name it.
NPY = "application/x-npy"

_LONGEST_HEADER = 1000

# The header is a dictionary in Python's syntax. NumPy would let Python's own parser read it.
_ENTRY = r"'(\w+)': *('[<>=|]?[a-zA-Z?]\d*'|True|False|\((?:\d+(?:, *\d+)*,? *)?\))"
_HEADER = re.compile(rf"\{{ *{_ENTRY}, *{_ENTRY}, *{_ENTRY},? *\}} *\n?")


def read_npy(body: bytes, schema: Schema) -> Records:
    """Read an array of numbers with one row per record; NaN stands for a gap.

    Raise `BadRequest` with 400 for any other body, with 413 for too many records.
    """
    stream = io.BytesIO(body)
    try:
        dtype, is_fortran, shape = _read_header(stream)
    except Exception as error:
        detail = _("the body is not a NumPy array that can be read: send a .npy file")
        raise BadRequest(400, detail) from error
    if dtype.kind not in "biuf" or len(shape) not in (1, 2):
        raise BadRequest(
            400, _("the array is not of numbers in rows: send one row for each record")
        )
    if len(shape) == 2:
        refuse_too_many(shape[0])  # rows without columns take no bytes, but objects
    content = body[stream.tell() :]
    if math.prod(shape) * dtype.itemsize != len(content):
        fault = _("the array has {content} bytes, which does not fit its header").format(
            content=len(content)
        )
        raise BadRequest(400, _("{fault}: send all of it").format(fault=fault))
    array = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")
    rows = np.atleast_2d(array).astype(object)
    if dtype.kind == "f":
        rows[np.isnan(np.atleast_2d(array))] = None
    return read_rows(rows.tolist(), schema, at="")


def _read_header(stream: io.BytesIO) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """Return type, order and shape, and leave the stream where the array begins."""
    length_bytes = {(1, 0): 2, (2, 0): 4}[np.lib.format.read_magic(stream)]
    length = int.from_bytes(stream.read(length_bytes), "little")
    if length > _LONGEST_HEADER:
        raise ValueError(_("its header is too long"))
    header = _HEADER.fullmatch(stream.read(length).decode("latin-1"))
    if header is None:
        raise ValueError(_("its header is not a header"))
    entries = dict(zip(header.groups()[::2], header.groups()[1::2], strict=True))
    is_fortran = {"True": True, "False": False}[entries["fortran_order"]]
    shape = tuple(map(int, re.findall(r"\d+", entries["shape"])))
    return np.dtype(entries["descr"].strip("'")), is_fortran, shape
