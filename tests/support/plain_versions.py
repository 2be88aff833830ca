"""Versions of rent that are made in no time, each with answers of its own."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array

from engine.runtime.onnx import RECORD
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES, unstored

RENT = EXAMPLES["rent"]


def plain_store(folder: Path, source: ModelStore, factors: Sequence[int] = (1, 2, 3)) -> ModelStore:
    """Make a store with a version for each factor, of which the first is promoted."""
    found = ModelStore(folder)
    first, *_ = [write_plain(found, source, factor) for factor in factors]
    found.promote("rent", first)
    return found


def write_plain(
    store: ModelStore, source: ModelStore, factor: int, *, renamed: str = "rooms",
    example: float | None = None,
) -> str:  # fmt: skip
    """Store a version that answers the area times a factor, newer for a larger one.

    Parameters
    ----------
    source : ModelStore
        With the toy whose card is taken.
    renamed : str
        What the field ``rooms`` is called.
    example : float, optional
        The recorded answer to the worked example, where it is not the right one.
    """
    card = unstored(source.read_card("rent"))
    made = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=factor)
    record = {renamed if key == "rooms" else key: value for key, value in RENT.items()}
    fields: list[dict[str, Any]] = [dict(one) for one in card["schema"]["fields"]]
    for one in fields:
        if one["name"] == "rooms":
            one |= {"name": renamed, "column": renamed}
    right = factor * record["area"]
    del card["uncertainty"]  # which is that of other answers
    card |= {
        "created_at": made.isoformat(),
        "runtime": "onnx",
        "schema": {**card["schema"], "fields": fields},
        "example": {**card["example"], "record": record, "value": example or right},
        "golden": [],
    }
    return store.write(card, {"model.onnx": _graph(factor, len(fields))})


def damage(store: ModelStore, version: str) -> None:
    """Change a byte of a version's model."""
    path = store.root / "rent" / version / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _graph(factor: int, n_fields: int) -> bytes:
    weights = np.zeros((n_fields, 1))
    weights[0] = factor
    graph = helper.make_graph(
        [helper.make_node("MatMul", [RECORD, "weights"], ["variable"])],
        "plain",
        [helper.make_tensor_value_info(RECORD, TensorProto.DOUBLE, [None, n_fields])],
        [helper.make_tensor_value_info("variable", TensorProto.DOUBLE, [None, 1])],
        [from_array(weights, "weights")],
    )
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
