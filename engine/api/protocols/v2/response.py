"""Answers of the Open Inference Protocol: a model's tensors described, and written."""

from collections.abc import Sequence
from typing import Any

import msgspec
from flask import Response

from engine.api.protocols.error_line import write_line
from engine.api.protocols.v2.binary import HEADER_LENGTH, write_buffer
from engine.api.protocols.v2.request import InferRequest
from engine.api.responses import respond
from engine.records.strict_json import write_json
from engine.records.validation import Accepted
from engine.runtime.answers import AnswerColumn, Decisions, answer_columns, class_name
from engine.runtime.version import StoredVersion
from engine.schema.card import Card
from engine.schema.record_schema import Schema

_encode = msgspec.json.Encoder().encode

#: The datatype of a column, by the types of its labels; BYTES for others.
_DATATYPES: dict[frozenset[type], str] = {
    frozenset(): "FP64", frozenset({bool}): "BOOL", frozenset({int}): "INT64"
}  # fmt: skip


def describe_model(card: Card, versions: Sequence[str]) -> dict[str, Any]:
    """Describe a version: its inputs, one per field, and its outputs."""
    fields = Schema.from_json(card["schema"]).fields
    return {
        "name": card["model"],
        "versions": list(versions),
        "platform": f"scikit-learn_{card['runtime']}",
        "inputs": [
            {"name": field.name, "datatype": field.datatype, "shape": [-1, 1]} for field in fields
        ],
        "outputs": [_tensor(column, -1) for column in answer_columns(card) if column.tensor],
    }


def list_outputs(version: StoredVersion) -> list[str]:
    """List the names of the outputs that a request may ask for, the default first."""
    return [column.tensor for column in version.answer_columns if column.tensor]


def write_answer(
    version: StoredVersion, request: InferRequest, decisions: Decisions,
    warnings: Sequence[Accepted],
) -> Response:  # fmt: skip
    """Write the outputs that a request asks for: JSON, and after it those in binary."""
    parameters: dict[str, str] = {"content_type": "pd"} if request.has_columns else {}
    if warnings:
        parameters["warnings"] = write_line([warning.problem for warning in warnings])
    answer: dict[str, Any] = {"model_name": version.name, "model_version": version.version}
    if request.identifier is not None:
        answer["id"] = request.identifier
    if parameters:
        answer["parameters"] = parameters
    columns = {column.tensor: column for column in version.answer_columns}
    answer["outputs"] = []
    buffers: list[bytes] = []
    for name, is_binary in request.outputs.items():
        column = columns[name]
        output, values = _tensor(column, decisions.size), column.labelled(decisions)
        if output["datatype"] == "BYTES":
            values = ["" if value is None else class_name(value) for value in values]
        classes = write_json(version.card["classes"]).decode()
        extra: dict[str, Any] = {"classes": classes} if column.keys else {}
        if is_binary:
            buffers.append(write_buffer(output["datatype"], values))
            extra["binary_data_size"] = len(buffers[-1])
        if extra:
            output["parameters"] = extra
        if not is_binary:
            output["data"] = values
        answer["outputs"].append(output)
    text = _encode(answer)
    if not buffers:
        return respond(text + b"\n")
    headers = {HEADER_LENGTH: str(len(text))}
    return respond(b"".join([text, *buffers]), "application/octet-stream", headers)


def _tensor(column: AnswerColumn, rows: int) -> dict[str, Any]:
    datatype = _DATATYPES.get(frozenset(map(type, column.labels)), "BYTES")
    datatype = "BYTES" if column.is_echo else datatype
    return {"name": column.tensor, "datatype": datatype, "shape": [rows, len(column.keys) or 1]}
