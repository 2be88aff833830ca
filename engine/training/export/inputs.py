"""The inputs of skl2onnx's graph, under names of our own.

skl2onnx takes columns by their names and loses those that have a space, a dot or a leading digit,
so it is given positions. A pipeline that begins with an estimator of the whole frame is given one
input, since skl2onnx gives such an estimator no more.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from engine.runtime.onnx import RECORD
from engine.schema.fields import Field


def input_name(place: int) -> str:
    """Return the name of the input of a field, by its place among the fields."""
    return f"field_{place}"


def graph_inputs(pipeline: Any, fields: Sequence[Field]) -> list[tuple[str, Any]]:
    """Return names and types: an input of shape (n, 1) for each field, or `RECORD` for all."""
    first = pipeline
    while isinstance(first, Pipeline):
        first = first[0]
    has_words = any(field.words for field in fields)
    if not has_words and not isinstance(first, ColumnTransformer):
        return [(RECORD, DoubleTensorType([None, len(fields)]))]
    return [
        (input_name(place), (StringTensorType if field.words else DoubleTensorType)([None, 1]))
        for place, field in enumerate(fields)
    ]


def name_columns_by_position(pipeline: Any) -> None:
    """Change every fitted column transformer of a pipeline to take its columns by position."""
    for part in _parts(pipeline, set()):
        if isinstance(part, ColumnTransformer) and hasattr(part, "transformers_"):
            places = part._transformer_to_input_indices
            part.transformers_ = [
                (name, transformer, list(map(int, places[name])))
                for name, transformer, _ in part.transformers_
            ]


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the estimators that an estimator holds, itself first."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        value = vars(value)
    if isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _parts(item, seen)
