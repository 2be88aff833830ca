"""Export a fitted pipeline to ONNX, in a process of its own.

Everything is computed in double precision, as in the pipeline. What onnxruntime computes
in single precision is not the same model, so it is not exported.
`engine.training.export.parity` decides whether the export serves.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from engine.runtime.trusted_types import load_pipeline
from engine.schema.fields import Field
from persistence.atomic_files import replace_file

#: Where the conversion finds this package, wherever the build was started.
_ROOT = Path(__file__).parents[3]

#: A conversion may take this many seconds before the version is served natively.
TIME_LIMIT = 120

#: Operators that onnxruntime computes in single precision, whatever they are given.
_SINGLE = {"LinearClassifier", "LinearRegressor", "Normalizer", "SVMClassifier", "SVMRegressor",
           "Scaler"}  # fmt: skip


#: The operator that selects the nearest rows: of two that are equally near, scikit-learn and
#: onnxruntime take different ones, and no test of a few rows need meet such a pair.
_NEAREST = "TopK"


class Export(NamedTuple):
    """The ONNX file of a pipeline; None, and the steps that prevent it, where there is none."""

    content: bytes | None
    obstacles: str = ""


def export(
    skops: bytes, fields: Sequence[Field], *, model: str, time_limit: float = TIME_LIMIT
) -> Export:
    """Convert a pipeline, as skops wrote it, within so many seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.skops").write_bytes(skops)
        (folder / "fields.json").write_text(json.dumps([field.to_json() for field in fields]))
        command = [sys.executable, "-m", "engine.training.export.export", name, model]
        exported, obstacles = folder / "model.onnx", folder / "obstacles.txt"
        # What a conversion that fails writes is nothing that a user can act upon.
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=time_limit, cwd=_ROOT)  # noqa: S603
        if exported.exists():
            return Export(exported.read_bytes())
        return Export(None, obstacles.read_text("utf-8") if obstacles.exists() else "")


def convert(pipeline: Any, fields: Sequence[Field]) -> bytes:
    """Convert a fitted pipeline.

    The one input of the ONNX file, ``record``, takes doubles of shape
    (n, n_fields), as `engine.training.export.record_input` makes it. The same
    pipeline gives the same bytes under one ``PYTHONHASHSEED``. For a pipeline
    that cannot be converted, whatever skl2onnx raises passes through;
    NotImplementedError when a step would be computed in single precision, or
    by the nearest rows.
    """
    from engine.training.export.record_input import packed
    from engine.training.export.single_trees import with_double_trees

    translated = with_double_trees(translate(pipeline, fields))
    operators = {node.op_type for node in translated.graph.node}
    if single := _SINGLE & operators:
        raise NotImplementedError(f"onnxruntime computes {min(single)} in single precision")
    if _NEAREST in operators:
        raise NotImplementedError("of two rows that are equally near, another would be taken")
    return bytes(packed(translated, fields).SerializeToString())


def translate(pipeline: Any, fields: Sequence[Field]) -> Any:
    """Return skl2onnx's graph of a pipeline, with the inputs of `graph_inputs`."""
    from skl2onnx import convert_sklearn
    from sklearn.base import is_classifier
    from sklearn.pipeline import Pipeline

    from engine.training.export.inputs import graph_inputs, name_columns_by_position
    from engine.training.export.sklearn_converters import register_converters, without_flattening

    register_converters()
    pipeline = without_flattening(pipeline)
    name_columns_by_position(pipeline)
    if not isinstance(pipeline, Pipeline):
        pipeline = Pipeline([("model", pipeline)])
    estimator = pipeline.steps[-1][1]
    options = {"zipmap": False} if is_classifier(estimator) else {}
    if hasattr(estimator, "decision_function") and not hasattr(estimator, "predict_proba"):
        options["raw_scores"] = True
    types = graph_inputs(pipeline, fields)
    return convert_sklearn(pipeline, "model", initial_types=types, options={id(estimator): options})


def main(folder: Path, model: str) -> None:
    """Convert ``model.skops`` in a folder; write the ONNX file or the steps that prevent it."""
    from engine.training.export.obstacles import obstacles

    fields = [Field.from_json(field) for field in json.loads((folder / "fields.json").read_text())]
    pipeline = load_pipeline((folder / "model.skops").read_bytes(), model=model)
    try:
        exported = convert(pipeline, fields)
    except Exception:  # noqa: BLE001 - skl2onnx raises many kinds
        (folder / "obstacles.txt").write_text(obstacles(pipeline), "utf-8")
    else:
        # Renamed once complete: the time limit may expire during the write.
        replace_file(folder / "model.onnx", exported)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
