"""One input of an Open Inference Protocol request: a named tensor and its values."""

import base64
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from engine.api.protocols.v2.binary import DATATYPES, InvalidTensor, read_buffer
from engine.languages import gettext as _
from engine.languages import local_number
from engine.records.problems import BadRequest
from engine.records.rows import refuse_too_many
from engine.records.strict_json import (
    RepeatedKeys,
    TooManyValues,
    read_json,
    refuse_large_tree,
)
from engine.schema.messages import shown

#: No model has so many fields; larger numbers would be long to write.
_MOST_COLUMNS = 10**6

#: The types that values of a datatype have in JSON, by its name without the size.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "BYTES": (str,), "BOOL": (bool,), "FP": (int, float), "INT": (int,), "UINT": (int,)
}  # fmt: skip


class Tensor(NamedTuple):
    """An input that was read.

    Attributes
    ----------
    shape : list of int
        One or two sizes; the first is the number of records.
    values : list or ndarray
        Row after row: bool, int, float or str; NaN in an array and None in a list are gaps.
        A value of ``pd_json`` may be any JSON value.
    """

    name: str
    datatype: str
    shape: list[int]
    values: Any

    @property
    def rows(self) -> int:
        """The number of records."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """The number of values of each record."""
        return math.prod(self.shape[1:])


def read_tensor(entry: Mapping[str, Any], raw: bytes | None) -> Tensor:
    """Read an input: its JSON, whose name is text, and its values where they follow the JSON.

    Raise `InvalidTensor` with the first thing that is wrong, and `BadRequest`
    with 413 for too many records.
    """
    if isinstance(entry, RepeatedKeys):
        raise InvalidTensor(
            _("names {repeated} twice: send it once").format(repeated=shown(entry.repeated[0]))
        )
    datatype = entry.get("datatype")
    if datatype != "BYTES" and (not isinstance(datatype, str) or datatype not in DATATYPES):
        names = ", ".join([*DATATYPES, "BYTES"])
        raise InvalidTensor(
            _("has the datatype {datatype}: send one of {names}").format(
                datatype=shown(datatype), names=names
            )
        )
    shape = _read_shape(entry.get("shape"))
    refuse_too_many(shape[0])
    form = read_parameters(entry).get("content_type")
    if raw is not None:
        values = read_buffer(datatype, math.prod(shape), raw)
    else:
        values = _flat(entry.get("data"), shape)
        _check_values(values, datatype)
    if datatype == "BYTES":
        values = _read_texts(values, form)
    elif form not in (None, "np"):
        raise InvalidTensor(
            _("has the content type {form}: {datatype} takes np or none").format(
                form=shown(form), datatype=datatype
            )
        )
    return Tensor(entry["name"], datatype, shape, values)


def read_parameters(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a request, an input or an output.

    Raise `InvalidTensor` when they are not an object, or ask for what the
    service does not do.
    """
    parameters = entry.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidTensor(
            _("has parameters that are {parameters}: send an object").format(
                parameters=shown(parameters)
            )
        )
    for name in ("shared_memory_region", "classification", "threshold"):
        if name in parameters:
            detail = _(
                "has the parameter {name}, which is not supported here: leave it out"
            ).format(name=name)
            raise InvalidTensor(detail)
    return parameters


def _read_shape(shape: Any) -> list[int]:
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidTensor(
            _("has the shape {listed}: send a list of sizes, such as [1, 1]").format(
                listed=_listed(shape)
            )
        )
    if len(shape) not in (1, 2):
        raise InvalidTensor(
            _("has {shape} dimensions: send the shape [n], [n, 1] or [n, m]").format(
                shape=len(shape)
            )
        )
    if max(shape[1:], default=0) > _MOST_COLUMNS:
        raise InvalidTensor(
            _("has more than {most_columns} columns in its shape: send fewer").format(
                most_columns=local_number(f"{_MOST_COLUMNS:,}")
            )
        )
    return shape


def _listed(value: Any) -> str:
    return str(value)[:40] if isinstance(value, list) else shown(value)


def _flat(values: Any, shape: list[int]) -> list[Any]:
    """Return nested or flat values row after row."""
    if not isinstance(values, list):
        raise InvalidTensor(
            _("has data that are {values}: send a list of values").format(values=shown(values))
        )
    flat: list[Any] = values
    sizes = [len(flat)]
    while flat and isinstance(flat[0], list):
        if {*map(type, flat)} != {list} or len({*map(len, flat)}) > 1:
            raise InvalidTensor(_("has lists of different lengths"))
        sizes.append(len(flat[0]))
        flat = [*chain.from_iterable(flat)]
    if len(flat) != math.prod(shape):
        raise InvalidTensor(
            _("has {flat} values, its shape is {listed}").format(
                flat=len(flat), listed=_listed(shape)
            )
        )
    squeezed, squeezed_shape = ([size for size in each if size != 1] for each in (sizes, shape))
    if len(sizes) > 1 and squeezed != squeezed_shape:
        raise InvalidTensor(
            _("has data of shape {sizes}, its shape is {listed}").format(
                sizes=sizes, listed=_listed(shape)
            )
        )
    return flat


def _check_values(values: list[Any], datatype: str) -> None:
    """Check that values from JSON are of the datatype."""
    types, limits = _TYPES[datatype.rstrip("0123456789")], None
    if "INT" in datatype:
        ends = np.iinfo(DATATYPES[datatype])
        limits = range(int(ends.min), int(ends.max) + 1)
    if {*types}.issuperset(map(type, values)) and (
        limits is None or not values or (min(values) in limits and max(values) in limits)
    ):
        return  # there is no gap, and no value has to be named
    for index, value in enumerate(values):
        if value is None:
            continue
        if type(value) not in types or (limits is not None and value not in limits):
            raise InvalidTensor(
                _("has {value} as value {index}, which is not {datatype}").format(
                    value=shown(value), index=index, datatype=datatype
                )
            )


def _read_texts(values: list[Any], form: Any) -> list[Any]:
    """Read texts, or their bytes, by their content type."""
    read = _READERS.get(form) if form is None or isinstance(form, str) else None
    if read is None:
        names = ", ".join(name for name in _READERS if name)
        raise InvalidTensor(
            _("has the content type {form}: send one of {names}").format(
                form=shown(form), names=names
            )
        )
    if form == "pd_json":
        try:
            refuse_large_tree(b"".join(_bytes(value) for value in values if value is not None))
        except TooManyValues as error:
            raise BadRequest(413, _("an input {error}").format(error=error)) from error
    with suppress(ValueError):  # the first that is wrong is named below
        words = {value: None if value is None else read(value) for value in {*values}}
        return [*map(words.__getitem__, values)]
    texts = []
    for index, value in enumerate(values):
        try:
            texts.append(None if value is None else read(value))
        except UnicodeDecodeError as error:
            raise InvalidTensor(
                _("has a value {index} that is not UTF-8").format(index=index)
            ) from error
        except ValueError as error:
            raise InvalidTensor(
                _("has a value {index} that {error}").format(index=index, error=error)
            ) from error
    return texts


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _base64(value: str | bytes) -> str:
    try:
        text = base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError(_("is not base64")) from error
    return text.decode()


def _json(value: str | bytes) -> Any:
    return read_json(_bytes(value), takes_nan=True)


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


_READERS: dict[str | None, Callable[[str | bytes], Any]] = {
    None: _text, "str": _text, "np": _text, "datetime": _text, "base64": _base64, "pd_json": _json,
}  # fmt: skip
