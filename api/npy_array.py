"""NumPy's file of one array of numbers; nothing in it is unpickled."""

import io
import math

import numpy as np

from api.body import Records, refuse_too_many
from api.errors import BadRequest
from api.instances import read_rows
from models.schema import Schema

#: The media type, as SageMaker's clients name it.
NPY = "application/x-npy"

_LONGEST_HEADER = 1000


def read_npy(body: bytes, schema: Schema) -> Records:
    """Read an array of numbers, a row for each record; NaN stands for a gap.

    Raises
    ------
    BadRequest
        400 for what is no such array, 413 for too many records.
    """
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read_header(stream, max_header_size=_LONGEST_HEADER)
    except Exception as error:
        raise BadRequest(400, "the body is no NumPy array that can be read: send .npy") from error
    if dtype.kind not in "biuf" or len(shape) not in (1, 2):
        raise BadRequest(400, "the array is not of numbers in rows: send one row for each record")
    if len(shape) == 2:
        refuse_too_many(shape[0])  # rows without columns take no bytes, but objects
    held = body[stream.tell() :]
    if math.prod(shape) * dtype.itemsize != len(held):
        raise BadRequest(400, f"the array holds {len(held)} bytes, its header says otherwise")
    array = np.frombuffer(held, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")
    rows = np.atleast_2d(array).astype(object)
    if dtype.kind == "f":
        rows[np.isnan(np.atleast_2d(array))] = None
    return read_rows(rows.tolist(), schema, at="")
