"""How the cost of a prediction grows, measured without HTTP."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from benchmarks.growth_answer import Bodies, Cost, measure
from benchmarks.growth_models import STORE, Shape, copies, prepare
from benchmarks.growth_section import Line, Section

TREES = (10, 20, 50, 100, 200, 500, 1_000, 2_000)
FIELDS = (5, 10, 20, 50, 100, 200, 500)
CATEGORIES = (2, 10, 100, 1_000, 10_000)
ROWS = (1, 10, 100, 1_000, 10_000, 100_000)
REFUSED_ROWS = (1, 10, 100, 1_000, 10_000)
MODELS = (1, 2, 5, 10, 20, 50, 100)

_BODIES = 50

Record = dict[str, Any]


def trees() -> Section:
    """More trees."""
    shapes = {size: Shape(trees=size) for size in TREES}
    found = {size: _cost(shape) for size, shape in shapes.items()}
    lines = [Line("one record", _seconds(found, 0), 1)]
    return Section("Trees", "trees", "prediction", lines, _memory(found) | _by(shapes))


def fields() -> Section:
    """More fields."""
    shapes = {size: Shape(numbers=size) for size in FIELDS}
    found = {size: _cost(shape, {"x0": -1}) for size, shape in shapes.items()}
    lines = [Line("one record", _seconds(found, 0), 1), Line("one refused", _seconds(found, 1), 1)]
    return Section("Fields", "fields", "prediction", lines, _memory(found) | _by(shapes))


def categories(encoder: str, must: float) -> Section:
    """More categories of one field, of which the pipeline makes one number or many."""
    shapes = {size: Shape(words=size, encoder=encoder) for size in CATEGORIES}
    found = {size: _cost(shape, {"word": "wrod 1"}) for size, shape in shapes.items()}
    lines = [
        Line("one record", _seconds(found, 0), must),
        Line("one refused", _seconds(found, 1), 0),
    ]
    title = f"Categories, {encoder}"
    return Section(title, "categories", "prediction", lines, _memory(found) | _by(shapes))


def rows() -> Section:
    """More records in one request."""
    shape = Shape()
    store = prepare([shape])
    forms: dict[str, Callable[[list[Record]], Bodies]] = {
        "list": lambda records: Bodies([json.dumps(records)]),
        "columns": lambda records: Bodies([json.dumps({"data": _columns(records)})]),
        "CSV": lambda records: Bodies([_csv(records)], "text/csv"),
        "lines": lambda records: Bodies(
            ["\n".join(map(json.dumps, records))], "application/x-ndjson"
        ),
    }
    found = {
        size: measure(
            store.root, [shape.name], [form(shape.records(size)) for form in forms.values()]
        )
        for size in ROWS
    }
    lines = [Line(name, _each(found, at), 0) for at, name in enumerate(forms)]
    return Section("Records per request", "records", "record", lines, _memory(found))


def refused_rows() -> Section:
    """More records in one request that is refused, each for a word that is not known."""
    shape = Shape(words=100, encoder="ordinal")
    store = prepare([shape])
    found = {}
    for size in REFUSED_ROWS:
        records = [one | {"word": f"wrod {at}"} for at, one in enumerate(shape.records(size))]
        found[size] = measure(store.root, [shape.name], [Bodies([json.dumps(records)], status=422)])
    return Section(
        "Refused records per request", "records", "record",
        [Line("list", _each(found, 0), 0)], _memory(found),
    )  # fmt: skip


def models() -> Section:
    """More models in one process, asked in turn."""
    shape = Shape()
    names = copies(prepare([shape]), shape.name, MODELS[-1])
    body = Bodies([json.dumps(one) for one in shape.records(_BODIES)])
    found = {size: measure(STORE, names[:size], [body]) for size in MODELS}
    return Section(
        "Models",
        "models",
        "prediction",
        [Line("one record", _seconds(found, 0), 0)],
        _memory(found),
    )


def _cost(shape: Shape, mistake: Record | None = None) -> Cost:
    """Ask a model valid records, and the same with a mistake in each."""
    store, records = prepare([shape]), shape.records(_BODIES)
    kinds = [Bodies([json.dumps(one) for one in records])]
    if mistake is not None:
        kinds.append(Bodies([json.dumps(one | mistake) for one in records], status=422))
    return measure(store.root, [shape.name], kinds)


def _by(shapes: dict[int, Shape]) -> dict[str, dict[int, str]]:
    words = {"exact": "the exact runtime", "onnx": "onnxruntime", "native": "scikit-learn"}
    store = prepare(list(shapes.values()))
    runtimes = {size: store.read_card(one.name)["runtime"] for size, one in shapes.items()}
    return {"served by": {size: words[runtime] for size, runtime in runtimes.items()}}


def _seconds(found: dict[int, Cost], at: int) -> dict[int, float | None]:
    return {size: one.seconds[at] for size, one in found.items()}


def _each(found: dict[int, Cost], at: int) -> dict[int, float | None]:
    return {size: one and one / size for size, one in _seconds(found, at).items()}


def _memory(found: dict[int, Cost]) -> dict[str, dict[int, str]]:
    return {"memory, MB": {size: f"{one.memory_mb:,.0f}" for size, one in found.items()}}


def _columns(records: list[Record]) -> dict[str, list[Any]]:
    return {name: [one[name] for one in records] for name in records[0]}


def _csv(records: list[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
