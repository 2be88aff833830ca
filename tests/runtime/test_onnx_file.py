"""An exported model holds all its tensors, or it is refused before a session is made."""

import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from engine.runtime.onnx import open_session
from engine.runtime.onnx_file import MESSAGES, MOST_DEPTH, TENSOR, refuse_external_data
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact
from tests.attacks.external_data import LOCATIONS, PLACES, graph, model, tensor
from tests.support.project import ROOT


def field(number: int, content: bytes | int, *, wire: int = 2) -> bytes:
    """Write one field as protobuf has it."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | wire) + (varint(len(content)) if wire == 2 else b"") + content


def varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def within(one: bytes) -> bytes:
    """Write a model whose graph has one initializer."""
    return field(7, field(5, one))


@pytest.mark.parametrize("place", PLACES)
def test_model_when_a_tensor_lies_elsewhere_is_refused_wherever_it_stands(place: str) -> None:
    for location in LOCATIONS:
        with pytest.raises(UntrustedArtifact, match="outside of its file"):
            refuse_external_data(PLACES[place](tensor(location)).SerializeToString())


@pytest.mark.parametrize("place", PLACES)
def test_model_when_its_tensors_are_in_it_is_taken(place: str) -> None:
    refuse_external_data(PLACES[place](tensor(None)).SerializeToString())


def test_messages_when_compared_with_onnx_are_all_that_lead_to_a_tensor() -> None:
    seen: dict[str, Any] = {}

    def leads(message: Any) -> bool:
        if message.name not in seen:
            seen[message.name] = message
            for one in message.fields:
                if one.message_type:
                    leads(one.message_type)
        return True

    leads(onnx.ModelProto.DESCRIPTOR)
    reach, grown = {"TensorProto"}, True
    while grown:
        more = {
            name
            for name, one in seen.items()
            if any(f.message_type and f.message_type.name in reach for f in one.fields)
        }
        grown = not more <= reach
        reach |= more
    expected = {
        name: {
            f.number: f.message_type.name
            for f in seen[name].fields
            if f.message_type and f.message_type.name in reach
        }
        for name in reach - {"TensorProto"}
    }
    assert {**expected, "TensorProto": TENSOR} == MESSAGES
    assert {n: TensorProto.DESCRIPTOR.fields_by_number[n].name for n in TENSOR} == TENSOR


@pytest.mark.parametrize(
    "one",
    [
        field(14, 1), field(14, 2), field(14, 0) + field(14, 1), field(14, 1) + field(14, 0),
        field(14, 2**32 + 1), field(14, 2**63 + 1), b"\x70\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00",
        field(14, b"\x01"), field(14, b"\1\0\0\0", wire=5), field(13, b""), field(13, 0),
        field(13, field(1, b"location")), field(1, 1) * 50 + field(13, b"x"),
        field(6, b"abc") * 50 + field(14, 1), field(4, b"\0\0\0\0", wire=5) * 9 + field(14, 1),
    ],
)  # fmt: skip
def test_tensor_when_it_says_so_in_any_writing_is_refused(one: bytes) -> None:
    with pytest.raises(UntrustedArtifact, match="outside of its file"):
        refuse_external_data(within(one))


def test_graph_when_given_twice_is_looked_at_twice() -> None:
    good, bad = field(7, field(2, b"g")), within(field(14, 1))

    for content in (good + bad, bad + good):
        with pytest.raises(UntrustedArtifact, match="outside of its file"):
            refuse_external_data(content)


WHOLE = within(field(1, 4))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0", field(1, 8), WHOLE[:-1], WHOLE + b"\x3a", WHOLE + b"\0",
        WHOLE + b"\x3a\xff\x01",
        field(7, b"", wire=3), field(7, b"", wire=4), WHOLE + b"\x7b\x7c", field(7, b"", wire=6),
        WHOLE + field(1, b"", wire=7), b"\xba\x00" + WHOLE[1:], b"\xba\x80\x00" + WHOLE[1:],
        b"\xba\x80\x80\x80\x10" + WHOLE[1:], WHOLE + b"\xba\x80\x80\x80\x10" + WHOLE[1:],
        b"\x08" + b"\x80" * 10 + b"\x00" + WHOLE,
        pickle.dumps({"a": 1}), zlib.compress(WHOLE), b"\x1f\x8b\x08" + bytes(20), b"PK\x03\x04",
        b"\x18\0\0\0ORTM" + bytes(40), b"{}", b"<html>", bytes(range(256)), b"\xff" * 40,
    ],
)  # fmt: skip
def test_file_when_it_is_no_onnx_file_is_refused(content: bytes) -> None:
    with pytest.raises(UntrustedArtifact, match=r"not an ONNX file|not ONNX"):
        refuse_external_data(content)


def test_file_when_onnxruntime_would_take_it_for_its_own_format_is_refused() -> None:
    content = field(2, b"xxORTM") + model(graph()).SerializeToString()

    assert b"ORTM" == content[4:8]
    assert onnx.load_model_from_string(content).graph.node  # it is ONNX all the same
    with pytest.raises(UntrustedArtifact, match="own format"):
        refuse_external_data(content)


def test_file_when_its_messages_lie_too_deep_is_refused() -> None:
    content = b""
    for _ in range(MOST_DEPTH):
        content = field(1, field(5, field(6, content)))

    with pytest.raises(UntrustedArtifact, match="deep"):
        refuse_external_data(field(7, content))


def test_session_when_data_lies_elsewhere_is_not_made_although_onnxruntime_would_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/weights.bin").write_bytes(bytes(32))
    os.link(tmp_path / "secret/weights.bin", tmp_path / "hard.bin")
    content = PLACES["initializer"](tensor("hard.bin")).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    assert [0.0] * 4 == session.run(None, {"record": [[0.0] * 4]})[0].tolist()[0]
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    with pytest.raises(UntrustedArtifact, match="outside of its file"):
        open_session(content)


def test_stored_models_when_looked_at_hold_their_tensors(toy_store: ModelStore) -> None:
    kept = ROOT / "tests/support/versions"
    found = [*toy_store.root.glob("*/*/model.onnx"), *kept.glob("*/*/*/model.onnx")]

    assert 2 <= len(found)
    for path in found:
        refuse_external_data(path.read_bytes())
