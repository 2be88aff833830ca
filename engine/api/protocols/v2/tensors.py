"""One input of an Open Inference Protocol request: a named tensor and its values."""

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.api.protocols.v2.binary import DATATYPES, InvalidTensor, read_buffer
from engine.records.rows import refuse_too_many
from engine.records.strict_json import RepeatedKeys, read_json
from engine.schema.messages import shown


class Tensor(NamedTuple):
    """An input that was read.

    Attributes
    ----------
    name, datatype : str
        As the request has them.
    shape : list of int
        One or two sizes; the first is the number of records.
    values : list
        Row after row: bool, int, float or str; None for a gap, which NaN and
        null are both. A value of ``pd_json`` may be any JSON value.
    """

    name: str
    datatype: str
    shape: list[int]
    values: list[Any]

    @property
    def rows(self) -> int:
        """The number of records."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """The number of values of each record."""
        return math.prod(self.shape[1:])

    @property
    def is_whole(self) -> bool:
        """Whether the datatype is one of whole numbers."""
        return "INT" in self.datatype


def read_tensor(entry: Mapping[str, Any], raw: bytes | None) -> Tensor:
    """Read an input.

    Parameters
    ----------
    entry : mapping
        Its JSON, whose name is text.
    raw : bytes or None
        Its values, where they follow the JSON.

    Raises
    ------
    InvalidTensor
        With the first thing that is wrong.
    BadRequest
        413 for too many records.
    """
    if isinstance(entry, RepeatedKeys):
        raise InvalidTensor(f"names {shown(entry.repeated[0])} twice: send it once")
    datatype = entry.get("datatype")
    if datatype != "BYTES" and (not isinstance(datatype, str) or datatype not in DATATYPES):
        names = ", ".join([*DATATYPES, "BYTES"])
        raise InvalidTensor(f"has the datatype {shown(datatype)}: send one of {names}")
    shape = _read_shape(entry.get("shape"))
    refuse_too_many(shape[0])
    form = read_parameters(entry).get("content_type")
    if raw is not None:
        values = read_buffer(datatype, math.prod(shape), raw)
    else:
        values = [None if value != value else value for value in _flat(entry.get("data"), shape)]
        _check_values(values, datatype)
    return Tensor(entry["name"], datatype, shape, _decoded(values, datatype, form))


def read_parameters(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a request, an input or an output.

    Raises
    ------
    InvalidTensor
        When they are not an object, or ask for what the service does not do.
    """
    parameters = entry.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidTensor(f"has parameters that are {shown(parameters)}: send an object")
    for name in ("shared_memory_region", "classification"):
        if name in parameters:
            raise InvalidTensor(
                f"has the parameter {name}, which is not supported here: leave it out"
            )
    return parameters


def _read_shape(shape: Any) -> list[int]:
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidTensor(f"has the shape {_listed(shape)}: send a list of sizes, such as [1, 1]")
    if len(shape) not in (1, 2):
        raise InvalidTensor(f"has {len(shape)} dimensions: send the shape [n], [n, 1] or [n, m]")
    return shape


def _listed(value: Any) -> str:
    return str(value)[:40] if isinstance(value, list) else shown(value)


def _flat(values: Any, shape: list[int]) -> list[Any]:
    """Return nested or flat values row after row."""
    if not isinstance(values, list):
        raise InvalidTensor(f"has data that are {shown(values)}: send a list of values")
    flat: list[Any] = values
    sizes = [len(flat)]
    while flat and isinstance(flat[0], list):
        size = len(flat[0])
        if not all(isinstance(inner, list) and len(inner) == size for inner in flat):
            raise InvalidTensor("has lists of different lengths")
        sizes.append(size)
        flat = [value for inner in flat for value in inner]
    if len(flat) != math.prod(shape):
        raise InvalidTensor(f"has {len(flat)} values, its shape is {_listed(shape)}")
    if len(sizes) > 1 and _squeezed(sizes) != _squeezed(shape):
        raise InvalidTensor(f"has data of shape {sizes}, its shape is {_listed(shape)}")
    return flat


def _squeezed(sizes: list[int]) -> list[int]:
    return [size for size in sizes if size != 1]


def _check_values(values: list[Any], datatype: str) -> None:
    """Check that values from JSON are of the datatype."""
    if datatype == "BYTES":
        kinds: tuple[type, ...] = (str,)
    elif datatype == "BOOL":
        kinds = (bool,)
    else:
        kinds = (int, float) if datatype.startswith("FP") else (int,)
    low = high = 0
    if is_whole := "INT" in datatype:
        limits = np.iinfo(DATATYPES[datatype])
        low, high = int(limits.min), int(limits.max)
    for index, value in enumerate(values):
        if value is None:
            continue
        if type(value) not in kinds or (is_whole and not low <= value <= high):
            raise InvalidTensor(f"has {shown(value)} as value {index}, which is not {datatype}")


def _decoded(values: list[Any], datatype: str, form: Any) -> list[Any]:
    """Read values by their content type."""
    if datatype != "BYTES":
        if form not in (None, "np"):
            raise InvalidTensor(f"has the content type {shown(form)}: {datatype} takes np or none")
        return [None if value != value else value for value in values]
    read = _READERS.get(form) if form is None or isinstance(form, str) else None
    if read is None:
        names = ", ".join(name for name in _READERS if name)
        raise InvalidTensor(f"has the content type {shown(form)}: send one of {names}")
    decoded = []
    for index, value in enumerate(values):
        try:
            decoded.append(None if value is None else read(value))
        except UnicodeDecodeError as error:
            raise InvalidTensor(f"has a value {index} that is not UTF-8") from error
        except ValueError as error:
            raise InvalidTensor(f"has a value {index} that {error}") from error
    return decoded


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _base64(value: str | bytes) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise ValueError("is not base64") from error


def _json(value: str | bytes) -> Any:
    decoded = read_json(value.encode() if isinstance(value, str) else value, takes_nan=True)
    return None if decoded != decoded else decoded


_READERS: dict[str | None, Callable[[str | bytes], Any]] = {
    None: _text, "str": _text, "np": _text, "datetime": _text, "base64": _base64, "pd_json": _json,
}  # fmt: skip
