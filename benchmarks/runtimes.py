"""What a prediction costs in each runtime, without HTTP: exact, onnxruntime, scikit-learn.

    python -m benchmarks.runtimes

On one core: one record at a time, and many. All runtimes answer the same rows, in turns.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks.boosting_export import mended_boosting
from benchmarks.machine import main_versions
from benchmarks.stress_page import machine
from engine.runtime.exact import ExactRuntime
from engine.runtime.native import frame
from engine.runtime.onnx import open_session
from engine.schema import Number
from engine.schema.fields import Field
from engine.schema.record_schema import Coding
from engine.training.exact.translation import translate
from engine.training.export.export import convert
from engine.training.table import read_table
from models import find

_PACKAGES = ("numpy", "onnxruntime", "scikit-learn")
_ROWS, _NUMBERS = 10_000, 24
#: So many of the rows are asked one by one.
_RECORDS = 1_000
#: A measurement repeats a call for at least so many seconds of CPU.
_SECONDS = 0.2


class Fitted(NamedTuple):
    """A fitted pipeline, and rows to ask it, as arrays by field."""

    pipeline: Any
    fields: Sequence[Field]
    columns: dict[str, Any]


class Calls(NamedTuple):
    """How a runtime is called for one record, and for all rows."""

    one: Callable[[], Any]
    many: Callable[[], Any]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description="Compare the runtimes on one core.")
    parser.add_argument("--rounds", type=int, default=7, help="each runtime's turns (7)")
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # no runtime uses another core
    installed = {name: version(name) for name in _PACKAGES}
    print(machine(), ", ".join(main_versions(_PACKAGES, installed)), sep="\n", end="\n\n")
    print(f"{'':34}{'one record, µs of CPU':>27}{'rows per second of CPU':>27}")
    for name, make in MODELS.items():
        print(*lines(name, make(), options.rounds), sep="\n", end="\n\n", flush=True)
    return 0


def lines(name: str, fitted: Fitted, rounds: int) -> list[str]:
    """Measure the runtimes; return a line for each, and how many times faster exact is."""
    calls = callers(fitted)
    n_rows = len(next(iter(fitted.columns.values())))
    one = [{key: cost(both.one) * 1e6 for key, both in calls.items()} for _ in range(rounds)]
    many = [{key: cost(both.many) / n_rows for key, both in calls.items()} for _ in range(rounds)]
    text = [f"{name}, {n_rows:,} rows"]
    for key in calls:
        micros = statistics.median(costs[key] for costs in one)
        rate = 1 / statistics.median(costs[key] for costs in many)
        times = [statistics.median(c[key] / c["exact"] for c in costs) for costs in (one, many)]
        text.append(
            f"  {key:<32}{micros:>14,.1f}{times[0]:>11,.1f} x{rate:>14,.0f}{times[1]:>11,.1f} x"
        )
    return text


def callers(fitted: Fitted) -> dict[str, Calls]:
    """Return how each runtime is called, its input made beforehand."""
    pipeline, fields, columns = fitted
    coding = Coding(fields)
    matrix = coding.pack(columns)
    rows, table = np.ascontiguousarray(matrix), frame(columns, fields)
    exact = ExactRuntime(translate(pipeline, fields), fields, has_probabilities=True)
    with mended_boosting():
        session = open_session(convert(pipeline, fields))._sess
    output = [session.outputs_meta[-1].name]
    # One record after the other, since a processor learns the way of one that comes again.
    count = range(min(_RECORDS, len(rows)))
    records = cycle([rows[place].tobytes() for place in count])
    arrays = cycle([{"record": rows[place : place + 1]} for place in count])
    tables = cycle([table.iloc[place : place + 1] for place in count])
    return {
        "exact": Calls(lambda: exact.run_record(next(records)), lambda: exact.run_matrix(matrix)),
        "onnxruntime": Calls(
            lambda: session.run(output, next(arrays), None),
            lambda: session.run(output, {"record": rows}, None),
        ),
        "scikit-learn": Calls(
            lambda: pipeline.predict_proba(next(tables)), lambda: pipeline.predict_proba(table)
        ),
    }


def cost(call: Callable[[], Any]) -> float:
    """Return the seconds of CPU that a call takes."""
    call()
    calls, start = 0, time.process_time()
    while (spent := time.process_time() - start) < _SECONDS:
        for _ in range(1 + calls // 4):
            call()
        calls += 1 + calls // 4
    return spent / calls


def credit() -> Fitted:
    """Fit the sample model on its sample, and ask the rows of the sample."""
    definition = find("credit")
    assert definition.sample is not None
    X, y, _ = read_table(definition.load_data(definition.sample), definition.schema)
    pipeline = definition.build_pipeline().fit(X, y)
    fields = definition.schema.fields
    return Fitted(pipeline, fields, {field.name: X[field.name].to_numpy() for field in fields})


def numbers(estimator: Any) -> Fitted:
    """Fit an estimator on made-up numbers."""
    draw = np.random.default_rng(0)
    fields = [Number(name=f"x{place}", example=0.5) for place in range(_NUMBERS)]
    columns = {field.name: draw.normal(size=_ROWS) for field in fields}
    table = pd.DataFrame(columns)
    hidden = table["x0"] * table["x1"] + table["x2"] + np.sin(2 * table["x3"])
    pipeline: Pipeline = make_pipeline(estimator).fit(table, hidden + draw.normal(size=_ROWS) > 0)
    return Fitted(pipeline, fields, columns)


MODELS: dict[str, Callable[[], Fitted]] = {
    "the sample model credit (forest)": credit,
    "histogram boosting, 300 trees": lambda: numbers(
        HistGradientBoostingClassifier(max_iter=300, early_stopping=False, random_state=0)
    ),
    "forest, 200 trees of depth 10": lambda: numbers(
        RandomForestClassifier(200, max_depth=10, random_state=0)
    ),
}


if __name__ == "__main__":
    sys.exit(main())
