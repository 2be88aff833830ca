"""What an ONNX file may contain: a graph with all its weights.

An ONNX file may say that a tensor's values are in another file, whose path it
names. Whoever opens it then opens that path. Checks of the path have each been
passed by another spelling, so no path is checked here: a tensor whose values
are not in the file is refused, wherever the graph has it.

The file is parsed as protobuf's wire format, and only as far as tensors can be
reached. What onnxruntime's own parser might read differently is refused.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from persistence.store_errors import UntrustedArtifact

#: The fields of a tensor that say that its values are elsewhere; a 0 in the second says: here.
TENSOR = {13: "external_data", 14: "data_location"}

#: The messages that a tensor can be reached through: kind, field number, kind of that field.
MESSAGES = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto",
        22: "SparseTensorProto", 23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "TensorProto": TENSOR,
}  # fmt: skip

#: How deep messages are nested at most; protobuf itself allows as much.
MOST_DEPTH = 100

_VARINT, _DOUBLE, _SIZED, _SINGLE = 0, 1, 2, 5

#: Values of lists that are written one by one, by wire type; of texts, the short ones.
_ITEMS = {
    _VARINT: rb"[\x80-\xff]{0,9}+[\x00-\x7f]",
    _DOUBLE: rb".{8}",
    _SIZED: b"(?:%s)" % b"|".join(re.escape(bytes([n])) + b"." * n for n in range(24)),
    _SINGLE: rb"....",
}


class _Malformed(ValueError):
    """The bytes are not a protobuf message, or one that no library writes."""


def refuse_external_data(content: bytes) -> None:
    """Raise UntrustedArtifact if a file is not an ONNX graph which contains all its tensors."""
    if content[4:8] == b"ORTM":  # onnxruntime then reads it as such, whatever else it is
        raise UntrustedArtifact("the exported model is in onnxruntime's own format, not ONNX")
    kinds = set()
    pending = [("ModelProto", 0, len(content), 1)]
    try:
        while pending:
            kind, start, end, depth = pending.pop()
            if depth > MOST_DEPTH:
                raise _Malformed(f"messages are nested more than {MOST_DEPTH} deep")
            kinds.add(kind)
            inner = MESSAGES[kind]
            for number, wire, begin, after in _fields(content, start, end, inner):
                if inner is TENSOR:
                    _refuse_outside(content, number, wire, begin, after)
                elif wire == _SIZED:  # of another wire type the field is unknown, and skipped
                    pending.append((inner[number], begin, after, depth + 1))
    except _Malformed as error:
        raise UntrustedArtifact(f"the exported model is not an ONNX file: {error}") from error
    if "GraphProto" not in kinds:
        raise UntrustedArtifact("the exported model is not an ONNX file: it contains no graph")


def _refuse_outside(content: bytes, number: int, wire: int, begin: int, after: int) -> None:
    """Refuse a tensor's field that says that the values are elsewhere."""
    if TENSOR[number] == "data_location" and wire == _VARINT:
        location, _ = _varint(content, begin, after)
        if location == 0:
            return
    raise UntrustedArtifact(
        "the exported model has data outside of its file: export it as one file"
    )


def _fields(
    content: bytes, start: int, end: int, numbers: Mapping[int, str]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, begin and end of the fields of a message with some numbers."""
    at = start
    while at < end:
        tag_at = at
        tag, at = _varint(content, at, end)
        number, wire = tag >> 3, tag & 7
        if not number or tag >= 2**32 or at - tag_at > max(1, -(-tag.bit_length() // 7)):
            raise _Malformed(f"there is no field at byte {tag_at}")
        if wire == _VARINT:
            _, after = _varint(content, at, end)
        elif wire == _SIZED:
            size, at = _varint(content, at, end)
            after = at + size
        elif wire in (_DOUBLE, _SINGLE):
            after = at + (8 if wire == _DOUBLE else 4)
        else:
            raise _Malformed(f"the field at byte {tag_at} is of a kind that ONNX does not have")
        if after > end:
            raise _Malformed(f"the field at byte {tag_at} is cut off")
        if number in numbers:
            yield number, wire, at, after
        elif tag < 0x80 and after < end and content[after] == tag:
            # Skipped by one match: a loop in Python would take seconds for a large forest.
            run = _run(tag).match(content, after, end)
            after = run.end() if run else after
        at = after


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Parse a number of up to ten bytes; return it and where it ends."""
    value = 0
    for place in range(at, min(at + 10, end)):
        byte = content[place]
        value |= (byte & 0x7F) << (7 * (place - at))
        if byte < 0x80:
            return value, place + 1
    raise _Malformed(f"the number at byte {at} does not end")


@cache
def _run(tag: int) -> re.Pattern[bytes]:
    """Match fields of one tag that follow each other: a forest has half a million of them."""
    field = re.escape(bytes([tag])) + _ITEMS[tag & 7]
    return re.compile(rb"(?:%s|%s)*+" % (field * 4, field), re.DOTALL)
