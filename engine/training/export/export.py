"""Export a fitted pipeline to ONNX, in a process of its own.

Two recipes are tried, since neither is exact for every estimator: all in
double precision, and double precision with a cast to single in front of the
last step, as scikit-learn's trees do themselves. `engine.training.export.parity`
decides which one serves, if any.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.runtime.trusted_types import load_pipeline
from engine.schema.fields import Field
from persistence.atomic_files import replace_file

RECIPES = ("double", "cast")

#: A conversion may take this many seconds before the version is served natively.
TIME_LIMIT = 120


def export(
    skops: bytes, fields: Sequence[Field], *, model: str, time_limit: float = TIME_LIMIT
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Convert a pipeline, as skops wrote it, by every recipe.

    The time limit, in seconds, is for all recipes together.

    Returns
    -------
    exported : dict of str to bytes
        Recipe to ONNX file, for the recipes that convert.
    reasons : dict of str to str
        Recipe to the reason, for the others.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.skops").write_bytes(skops)
        (folder / "fields.json").write_text(json.dumps([field.to_json() for field in fields]))
        command = [sys.executable, "-m", "engine.training.export.export", name, model]
        late = ""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=time_limit)  # noqa: S603
            if done.returncode:
                late = f"the conversion failed: {done.stderr.strip().splitlines()[-1:]}"
        except subprocess.TimeoutExpired:
            late = f"the conversion took more than {time_limit:g} s"
        exported = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.onnx"))}
        reasons = {path.stem: path.read_text() for path in sorted(folder.glob("*.txt"))}
    return exported, reasons | {
        recipe: late for recipe in RECIPES if recipe not in {*exported, *reasons}
    }


def convert(pipeline: Any, fields: Sequence[Field], *, recipe: str) -> bytes:
    """Convert a fitted pipeline by one recipe.

    The one input of the ONNX file, ``record``, takes doubles of shape
    (n, n_fields), as `engine.training.export.record_input` makes it. The same
    pipeline gives the same bytes under one ``PYTHONHASHSEED``. For a pipeline
    that skl2onnx cannot convert, whatever it raises passes through.
    """
    from engine.training.export.binary_forest import with_one_sum
    from engine.training.export.record_input import packed

    translated = with_one_sum(translate(pipeline, fields, recipe=recipe))
    return bytes(packed(translated, fields).SerializeToString())


def translate(pipeline: Any, fields: Sequence[Field], *, recipe: str) -> Any:
    """Return skl2onnx's graph of a pipeline, with the inputs of `graph_inputs`."""
    import numpy as np
    from skl2onnx import convert_sklearn
    from skl2onnx.sklapi import CastTransformer
    from sklearn.base import is_classifier
    from sklearn.pipeline import Pipeline

    from engine.training.export.inputs import graph_inputs, name_columns_by_position
    from engine.training.export.sklearn_converters import register_converters, without_flattening

    register_converters()
    pipeline = without_flattening(pipeline)
    name_columns_by_position(pipeline)
    if not isinstance(pipeline, Pipeline):
        pipeline = Pipeline([("model", pipeline)])
    if recipe == "cast":
        *before, last = pipeline.steps
        cast = CastTransformer(dtype=np.float32)
        pipeline = Pipeline([*before, ("cast_to_single", cast), last])
    estimator = pipeline.steps[-1][1]
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    types = graph_inputs(pipeline, fields)
    return convert_sklearn(pipeline, "model", initial_types=types, options=options)


def main(folder: Path, model: str) -> None:
    """Convert ``model.skops`` in a folder; write a file or a reason per recipe."""
    from engine.training.export.refusals import refusal

    fields = [Field.from_json(field) for field in json.loads((folder / "fields.json").read_text())]
    pipeline = load_pipeline((folder / "model.skops").read_bytes(), model=model)
    for recipe in RECIPES:
        try:
            exported = convert(pipeline, fields, recipe=recipe)
        except Exception as error:  # noqa: BLE001 - skl2onnx raises many kinds; each is a reason
            (folder / f"{recipe}.txt").write_text(refusal(error, pipeline))
        else:
            # Renamed once complete: the time limit may expire during the write.
            replace_file(folder / f"{recipe}.onnx", exported)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
