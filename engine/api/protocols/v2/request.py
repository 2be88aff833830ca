"""A request to infer of the Open Inference Protocol: from bytes to records."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from engine.api.protocols.v2.binary import InvalidTensor, split
from engine.api.protocols.v2.tensors import Tensor, read_parameters, read_tensor
from engine.languages import gettext as _
from engine.records.json_reader import read_json_body
from engine.records.plain_records import read_named_columns
from engine.records.problems import PROBLEMS_LISTED, BadRequest, InvalidRecords, Problem
from engine.records.rows import Records, pointer_to, repeated, repeated_keys
from engine.schema.fields import Field
from engine.schema.json_decoder import Decoder
from engine.schema.messages import shown
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Schema


@dataclasses.dataclass(frozen=True)
class InferRequest(Records):
    """The records of a request to infer, and what its answer depends on.

    The pointers of the records name input and value: ``/age/0``.

    Attributes
    ----------
    identifier : str or None
        The client's own; it comes back in the answer.
    has_columns : bool
        Whether the content type ``pd`` was given; it comes back, too.
    outputs : mapping of str to bool
        The names of the requested outputs, and whether each is to be binary.
    """

    identifier: str | None = None
    has_columns: bool = False
    outputs: Mapping[str, bool] = dataclasses.field(default_factory=dict)


def read_request(
    body: bytes, header_length: str | None, *, schema: Schema, offered: Sequence[str],
    decoder: Decoder | None = None,
) -> InferRequest:  # fmt: skip
    """Read a request to infer; every input, output and parameter that is wrong is listed.

    Parameters
    ----------
    header_length : str or None
        How long the JSON is, where bytes follow it.
    offered : sequence of str
        The names of the outputs that there are, the default first.
    decoder : Decoder, optional
        Reads columns at once where all are plainly valid; then the request has a matrix.
    """
    text, raw = split(body, header_length)
    message = read_json_body(text, takes_nan=True)
    if not isinstance(message, dict):
        raise BadRequest(
            400,
            _("the body is {message}: send an object with inputs").format(message=shown(message)),
        )
    problems = repeated_keys(message)
    identifier = message.get("id")
    if identifier is not None and not isinstance(identifier, str):
        problems.append(
            Problem("/id", _("is {identifier}: send text").format(identifier=shown(identifier)))
        )
    parameters = _parameters(message, "/parameters", problems)
    form = parameters.get("content_type")
    if form not in (None, "pd", "np"):
        detail = _("is {form}: send pd, np or none").format(form=shown(form))
        problems.append(Problem("/parameters/content_type", detail))
    usual = [offered[0], *schema.identifiers]
    outputs = _read_outputs(message, parameters, offered, problems, usual=usual)
    tensors = _read_inputs(message.get("inputs"), raw, schema, problems)
    if problems:
        raise InvalidRecords(problems)
    columns = _columns(tensors, schema, has_columns=form == "pd")
    matrix = None
    if decoder is not None and (count := max(map(len, columns.values()), default=0)):
        matrix = read_named_columns(columns, count, schema, decoder, is_table=True)
    rows = _rows(columns) if matrix is None else []
    return InferRequest(
        rows, lambda row, name: f"{pointer_to(name)}/{row}", is_table=True, matrix=matrix,
        identifier=identifier, has_columns=form == "pd", outputs=outputs,
    )  # fmt: skip


def _parameters(
    entry: Mapping[str, Any], pointer: str, problems: list[Problem]
) -> Mapping[str, Any]:
    try:
        return read_parameters(entry)
    except InvalidTensor as error:
        problems.append(Problem(pointer, str(error)))
        return {}


def _read_outputs(
    message: Mapping[str, Any], parameters: Mapping[str, Any], offered: Sequence[str],
    problems: list[Problem], *, usual: Sequence[str],
) -> dict[str, bool]:  # fmt: skip
    """Read which outputs are requested, by default the usual ones, and which are to be binary."""
    is_binary = parameters.get("binary_data_output") is True
    entries = message.get("outputs")
    if entries is None or entries == []:
        return dict.fromkeys(usual, is_binary)
    if not isinstance(entries, list):
        detail = _("is {entries}: send a list of objects with a name").format(
            entries=shown(entries)
        )
        problems.append(Problem("/outputs", detail))
        return {}
    outputs: dict[str, bool] = {}
    for index, entry in enumerate(entries[: PROBLEMS_LISTED + 1]):
        pointer = f"/outputs/{index}"
        name = entry.get("name") if isinstance(entry, dict) else entry
        if not isinstance(entry, dict) or not isinstance(name, str) or name not in offered:
            detail = _("is {name}: the outputs are {offered}").format(
                name=shown(name), offered=_(" and ").join(offered)
            )
            problems.append(Problem(pointer, detail))
        elif name in outputs:
            problems.append(
                Problem(
                    pointer, _("is {name} again: request it once").format(name=name), Code.REPEATED
                )
            )
        else:
            wish = _parameters(entry, pointer, problems).get("binary_data", is_binary)
            outputs[name] = wish is True
    return outputs


def _read_inputs(
    entries: Any, raw: bytes | None, schema: Schema, problems: list[Problem]
) -> list[Tensor]:
    """Read every input that the model does not ignore."""
    if not isinstance(entries, list) or not entries:
        content = _("an empty list") if entries == [] else shown(entries)
        detail = _("is {content}: send a list of objects, one per field").format(content=content)
        problems.append(Problem("/inputs", detail))
        return []
    names: set[str] = set()
    tensors = []
    for index, (entry, buffer) in enumerate(zip(entries, _buffers(entries, raw), strict=True)):
        if len(problems) > PROBLEMS_LISTED:
            break
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            detail = _("has no name: send an object with name, shape, datatype and data")
            problems.append(Problem(f"/inputs/{index}", detail))
            continue
        if name in names:
            problems.append(repeated(pointer_to(name)))
        names.add(name)
        if schema.ignores(name) and len(entries) > 1:
            continue
        try:
            tensors.append(read_tensor(entry, buffer))
        except InvalidTensor as error:
            problems.append(Problem(pointer_to(name), str(error)))
    return tensors


def _buffers(entries: list[Any], raw: bytes | None) -> list[bytes | None]:
    """Divide the bytes after the JSON among the inputs, in their order."""
    buffers: list[bytes | None] = []
    at = 0
    for index, entry in enumerate(entries):
        parameters = entry.get("parameters") if isinstance(entry, dict) else None
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            buffers.append(None)
            continue
        if type(size) is not int or size < 0:
            detail = _(
                "the binary_data_size of input {index} is {size}: send a whole number"
            ).format(index=index, size=shown(size))
            raise BadRequest(400, detail)
        if raw is None:
            detail = _(
                "input {index} has a binary_data_size, and no header says where JSON ends"
            ).format(index=index)
            raise BadRequest(400, detail)
        if "data" in entry:
            raise BadRequest(
                400,
                _("input {index} has data and a binary_data_size: send one").format(index=index),
            )
        buffers.append(raw[at : at + size])
        at += size
    if raw is not None and at != len(raw):
        raise BadRequest(
            400,
            _("{raw} bytes follow the JSON, the inputs take {at}").format(
                raw=len(raw), at=shown(at)
            ),
        )
    return buffers


def _columns(tensors: list[Tensor], schema: Schema, *, has_columns: bool) -> dict[str, Any]:
    """Turn inputs into columns of one length: each is a column, or one holds all columns."""
    fields = {field.name: field for field in schema.fields}
    if not has_columns and len(tensors) == 1:
        whole = tensors[0]
        if len(whole.shape) == 2 and (whole.name not in fields or whole.width != 1):
            tensors = _divided(whole, schema)
    rows = max((tensor.rows for tensor in tensors), default=0)
    problems = [
        _misfit(tensor, _("has the shape {shape}: send [n] or [n, 1]").format(shape=tensor.shape))
        for tensor in tensors
        if tensor.width != 1
    ] + [
        _misfit(
            tensor, _("has {rows} values, others {others}").format(rows=tensor.rows, others=rows)
        )
        for tensor in tensors
        if tensor.width == 1 and tensor.rows != rows
    ]
    if problems:
        raise InvalidRecords(problems)
    return {tensor.name: _values(tensor, fields.get(tensor.name)) for tensor in tensors}


def _rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Turn columns into records."""
    lists = map(_listed, columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _listed(values: Any) -> list[Any]:
    """Return values as a list, in which None stands for NaN, a gap."""
    if isinstance(values, list):
        return values
    return [None if value != value else value for value in values.tolist()]


def _misfit(tensor: Tensor, detail: str) -> Problem:
    return Problem(pointer_to(tensor.name), detail, Code.WRONG_LENGTH)


def _divided(whole: Tensor, schema: Schema) -> list[Tensor]:
    """Divide a matrix into the model's fields, in the schema's order."""
    fields = schema.fields
    if texts := [field.name for field in fields if not field.takes_numbers]:
        detail = _("holds all fields, but text goes into {texts}: send an input per field").format(
            texts=", ".join(texts)
        )
        raise InvalidRecords([Problem(pointer_to(whole.name), detail)])
    if whole.width != len(fields):
        listed = ", ".join(field.name for field in fields)
        detail = _("has {width} columns, the model {fields} fields: {listed}").format(
            width=whole.width, fields=len(fields), listed=listed
        )
        raise InvalidRecords([_misfit(whole, detail)])
    # A matrix has one datatype: a flag in it can only be a number.
    datatypes = ["INT8" if field.array_values else whole.datatype for field in fields]
    return [
        Tensor(field.name, datatype, [whole.rows], whole.values[index :: len(fields)])
        for index, (field, datatype) in enumerate(zip(fields, datatypes, strict=True))
    ]


def _values(tensor: Tensor, field: Field | None) -> Any:
    """Return a column; whole numbers for a flag become true and false where they are 1 and 0."""
    if not field or not field.array_values or "INT" not in tensor.datatype:
        return tensor.values
    return [*map(field.from_array, _listed(tensor.values))]
