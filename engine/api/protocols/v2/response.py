"""Answers of the Open Inference Protocol: a model's tensors described, and written."""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.api.protocols.contract import Written
from engine.api.protocols.error_line import write_line
from engine.api.protocols.v2.binary import HEADER_LENGTH, write_buffer
from engine.api.protocols.v2.request import InferRequest
from engine.records.strict_json import write_json
from engine.records.validation import Accepted
from engine.runtime.answers import AnswerColumn, Decisions, answer_columns, class_name
from engine.runtime.version import StoredVersion
from engine.schema.card import Card
from engine.schema.record_schema import Schema

_encode = msgspec.json.Encoder().encode


def describe_model(card: Card, versions: Sequence[str]) -> dict[str, Any]:
    """Describe a version: its inputs, one per field, and its outputs."""
    fields = Schema.from_json(card["schema"]).fields
    columns = _outputs(answer_columns(card)).items()
    return {
        "name": card["model"],
        "versions": list(versions),
        "platform": f"scikit-learn_{card['runtime']}",
        "inputs": [_tensor(field.name, field.datatype, [-1, 1]) for field in fields],
        "outputs": [_tensor(name, _datatype(one), [-1, _width(one)]) for name, one in columns],
    }


def list_outputs(version: StoredVersion) -> list[str]:
    """List the names of the outputs that a request may ask for, the default first."""
    return [*_outputs(version.answer_columns)]


def write_answer(
    version: StoredVersion,
    request: InferRequest,
    decisions: Decisions,
    warnings: Sequence[Accepted],
) -> Written:
    """Write the outputs that a request asks for: JSON, and after it those in binary."""
    parameters: dict[str, str] = {"content_type": "pd"} if request.has_columns else {}
    if warnings:
        parameters["warnings"] = write_line([warning.problem for warning in warnings])
    answer: dict[str, Any] = {"model_name": version.name, "model_version": version.version}
    if request.identifier is not None:
        answer["id"] = request.identifier
    if parameters:
        answer["parameters"] = parameters
    columns = _outputs(version.answer_columns)
    answer["outputs"] = []
    buffers: list[bytes] = []
    for name, is_binary in request.outputs.items():
        column = columns[name]
        output = _tensor(name, _datatype(column), [decisions.size, _width(column)])
        values = _values(column, decisions)
        extra: dict[str, Any] = {}
        if column.keys:
            extra["classes"] = write_json(version.card["classes"]).decode()
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
        return Written(text + b"\n")
    headers = {HEADER_LENGTH: str(len(text))}
    return Written(b"".join([text, *buffers]), "application/octet-stream", headers)


def _outputs(columns: Sequence[AnswerColumn]) -> dict[str, AnswerColumn]:
    return {column.tensor: column for column in columns if column.tensor}


def _values(column: AnswerColumn, decisions: Decisions) -> list[Any]:
    if not column.labels:
        return list(column.values(decisions).ravel().tolist())
    labels = column.labelled(decisions)
    return [*map(class_name, labels)] if _datatype(column) == "BYTES" else labels


def _width(column: AnswerColumn) -> int:
    return len(column.keys) or 1


def _datatype(column: AnswerColumn) -> str:
    kinds = {type(label) for label in column.labels}
    if not kinds:
        return "FP64"
    return {bool: "BOOL", int: "INT64"}.get(kinds.pop(), "BYTES") if len(kinds) == 1 else "BYTES"


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}
