"""Answers of the Open Inference Protocol: a model's tensors described, and written."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from engine.api.protocols.error_line import write_line
from engine.api.protocols.v2.binary import write_buffer
from engine.api.protocols.v2.request import DEFAULT_OUTPUT, InferRequest
from engine.records.media_types import JSON
from engine.records.strict_json import class_name, write_json
from engine.records.validation import Accepted
from engine.runtime.version import Decisions, StoredVersion
from engine.schema.card import Card
from engine.schema.record_schema import Schema

#: The output with the probability of every class.
PROBABILITIES = "predict_proba"

_encode = msgspec.json.Encoder().encode


class Written(NamedTuple):
    """An answer, written.

    Attributes
    ----------
    body : bytes
        JSON, and after it the outputs that were asked for in binary.
    content_type : str
        Of the body.
    json_length : int or None
        How long the JSON is, where bytes follow it.
    """

    body: bytes
    content_type: str = JSON
    json_length: int | None = None


def describe_model(card: Card, versions: Sequence[str]) -> dict[str, Any]:
    """Describe a version: its inputs, one per field, and its outputs."""
    fields = Schema.from_json(card["schema"]).fields
    return {
        "name": card["model"],
        "versions": list(versions),
        "platform": f"scikit-learn_{card['runtime']}",
        "inputs": [_tensor(field.name, field.datatype, 1) for field in fields],
        "outputs": describe_outputs(card),
    }


def describe_outputs(card: Card) -> list[dict[str, Any]]:
    """Describe the outputs that may be asked for, the default first."""
    found = [_tensor(DEFAULT_OUTPUT, _class_datatype(card["classes"]), 1)]
    if card["has_probabilities"]:
        found.append(_tensor(PROBABILITIES, "FP64", len(card["classes"])))
    return found


def write_answer(
    version: StoredVersion,
    request: InferRequest,
    decisions: Decisions,
    warnings: Sequence[Accepted],
) -> Written:
    """Write the outputs that a request asks for."""
    parameters: dict[str, str] = {"content_type": "pd"} if request.has_columns else {}
    if warnings:
        parameters["warnings"] = write_line([one.problem for one in warnings])
    answer: dict[str, Any] = {"model_name": version.name, "model_version": version.version}
    if request.identifier is not None:
        answer["id"] = request.identifier
    if parameters:
        answer["parameters"] = parameters
    described = {one["name"]: one for one in describe_outputs(version.card)}
    answer["outputs"] = []
    buffers = []
    for name, is_binary in request.outputs.items():
        output = {**described[name], "shape": [decisions.size, described[name]["shape"][1]]}
        values = _values(name, version.card, decisions)
        extra: dict[str, Any] = {}
        if name == PROBABILITIES:
            extra["classes"] = write_json(version.card["classes"]).decode()
        if is_binary:
            buffers.append(write_buffer(output["datatype"], values))
            extra["binary_data_size"] = len(buffers[-1])
        if extra:
            output["parameters"] = extra
        if not is_binary:
            output["data"] = values
        answer["outputs"].append(output)
    written = _encode(answer)
    if not buffers:
        return Written(written + b"\n")
    return Written(b"".join([written, *buffers]), "application/octet-stream", len(written))


def _values(name: str, card: Card, decisions: Decisions) -> list[Any]:
    if name == PROBABILITIES:
        return list(decisions.probabilities.ravel().tolist())
    if decisions.chosen is None:
        return list(decisions.numbers.tolist())
    labels = card["classes"]
    if _class_datatype(labels) == "BYTES":
        labels = [class_name(one) for one in labels]
    return [labels[place] for place in decisions.chosen]


def _tensor(name: str, datatype: str, width: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1, width]}


def _class_datatype(classes: Sequence[Any] | None) -> str:
    if classes is None:
        return "FP64"
    kinds = {type(one) for one in classes}
    return {bool: "BOOL", int: "INT64"}.get(kinds.pop(), "BYTES") if len(kinds) == 1 else "BYTES"
