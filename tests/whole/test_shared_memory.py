"""A large model is in memory once, however many workers serve it."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array

from engine.runtime.onnx import RECORD, OnnxRuntime
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES, TOYS
from tests.support.serving import Server, running

#: Width of a square matrix of doubles: 32 MB, beside one of nothing to speak of.
WIDTH = 2000
SMALL_WIDTH = 10
MEGABYTES = 8 * WIDTH**2 / 1e6


def matrix_graph(n_fields: int, width: int) -> bytes:
    """Write a graph that multiplies a record by a square matrix of this width."""
    random = np.random.default_rng(0)
    shapes = {"first": (n_fields, width), "square": (width, width), "last": (width, 1)}
    names = [RECORD, "wide", "wider", "variable"]
    nodes = [
        helper.make_node("MatMul", [source, weights], [target])
        for source, weights, target in zip(names, shapes, names[1:], strict=False)
    ]
    graph = helper.make_graph(
        nodes,
        "matrix",
        [helper.make_tensor_value_info(RECORD, TensorProto.DOUBLE, [None, n_fields])],
        [helper.make_tensor_value_info("variable", TensorProto.DOUBLE, [None, 1])],
        [from_array(random.normal(size=shape) / 100, name) for name, shape in shapes.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return bytes(model.SerializeToString())


def write_graph(store: ModelStore, source: ModelStore, *, width: int) -> None:
    """Store a version of rent whose graph has a matrix of this width."""
    schema = TOYS["rent"].schema
    content = matrix_graph(len(schema.fields), width)
    runtime = OnnxRuntime(content, schema.fields, has_probabilities=False)
    answer = runtime.run(schema.columns([EXAMPLES["rent"]]))
    card = source.read_card("rent")
    card["runtime"] = "onnx"
    card["example"] |= {"value": float(answer.values[0])}
    for key in ("format", "files", "digest", "version", "golden"):
        del card[key]
    store.promote("rent", store.write(card, {"model.onnx": content}))


def megabytes(server: Server) -> float:
    """Add up what a service's processes hold; what they share counts once."""
    found = 0
    for pid in (server.process.pid, *server.workers()):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found += int(text.partition("\nPss:")[2].split()[0])
    return found / 1e3


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux alone tells")
def test_model_when_large_is_in_memory_once(toy_store: ModelStore, tmp_path: Path) -> None:
    found = []
    for width in (SMALL_WIDTH, WIDTH):
        store = ModelStore(tmp_path / str(width))
        write_graph(store, toy_store, width=width)
        with running(
            tmp_path, until="/readyz", model_store=store.root, default_model="rent"
        ) as one:
            for _ in range(10):
                assert 200 == one.ask("/v0/predict", EXAMPLES["rent"])[0]
            found.append(megabytes(one))

    # A second copy, in the master or in a worker, would double it.
    assert 0.5 * MEGABYTES < found[1] - found[0] < 1.5 * MEGABYTES
