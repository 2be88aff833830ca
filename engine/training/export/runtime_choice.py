"""Choose the runtime of a version: the export if it passes, otherwise the pipeline."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np

from engine.runtime.answers import Prediction
from engine.runtime.native import REJECTIONS, NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.runtime.runtimes import Columns, Runtime
from engine.runtime.trusted_types import load_pipeline
from engine.runtime.version import decide
from engine.schema.card import AnswerEntry, Description, ParityEntry, RuntimeEntry
from engine.schema.definition import ModelDefinition
from engine.schema.fields import Field
from engine.schema.record_schema import Schema
from engine.training.artifact import dump_pipeline
from engine.training.export.challenge import Challenge, joined
from engine.training.export.export import Export, export
from engine.training.export.golden import golden_records
from engine.training.export.limits import with_limits
from engine.training.export.parity import Reference, ask, compare, differs_alone, measure, slower
from engine.training.export.thresholds import splits

#: (stored pipeline, fields, model=name) -> the export, or the reason why there is none.
Exporter = Callable[..., Export]

#: So many real rows are given to the pipeline one by one.
_SINGLE_ROWS = 8


class PipelineRejectsRecord(ValueError):
    """The fitted pipeline does not answer the records that the schema accepts, each by itself."""


def choose_runtime(
    definition: ModelDefinition,
    pipeline: Any,
    columns: Columns,
    card: Description,
    *,
    export: Exporter = export,
) -> tuple[RuntimeEntry, dict[str, bytes], Runtime]:
    """Export a fitted pipeline, compare, decide.

    The columns are the held-out rows, clean. The files are ``model.skops``, and
    ``model.onnx`` when the export serves. The runtime is the one that will serve.
    Raise `PipelineRejectsRecord`, or `UntrustedArtifact` when the pipeline holds a
    type that is not trusted.
    """
    stored = dump_pipeline(pipeline)
    # Read back, so that an untrusted type is refused now and not when serving.
    fitted = load_pipeline(stored, model=card["model"])
    native = NativeRuntime(fitted, definition.fields)
    fields = with_limits(definition.fields, native, columns)
    challenge = Challenge(columns, fields, seed=definition.seed)
    rows = _usual_rows(challenge, native, fields)
    exported = export(stored, fields, model=card["model"])
    if exported.content is not None:
        rows = joined(rows, _hard_rows(challenge, fitted, native))
    reference = ask(native, rows, challenge.size, card)
    check_alone(native, reference, challenge.size, card)
    parity, reason, served = None, exported.reason, None
    if exported.content is not None:
        parity, reason, served = _judge(exported.content, native, reference, fields, card)
        if challenge.thresholds:
            parity["thresholds"] = challenge.thresholds
            parity["thresholds_tried"] = challenge.tried
    entry = _describe(served or native, definition, fields, challenge.real, card)
    entry |= {"parity": parity, "runtime_reason": reason}
    entry["spread"] = reference.spread if card["classes"] is None else None
    files = {"model.skops": stored}
    if served is not None and exported.content is not None:
        files["model.onnx"] = exported.content
    return entry, files, served or native


def _usual_rows(challenge: Challenge, native: NativeRuntime, fields: Sequence[Field]) -> Columns:
    """Return the real rows and the turning points, all of which the pipeline must take."""
    points, values = challenge.turning_points()
    usual = joined(challenge.real, points)
    try:
        native.answer(usual)
    except REJECTIONS as error:
        example = _first_rejected(native, fields, points, values)
        raise PipelineRejectsRecord(
            f"the pipeline rejects records that the schema accepts{example}: {error}; let it "
            "accept them (handle_unknown, an imputer), or let the field reject them"
        ) from error
    return usual


def _first_rejected(
    native: NativeRuntime, fields: Sequence[Field], points: Columns,
    values: Sequence[tuple[int, Any]],
) -> str:  # fmt: skip
    """Return for which value of which field the pipeline rejects a row; empty if for none."""
    outputs = native.run(points)
    parts = outputs.values if outputs.probabilities is None else outputs.probabilities[:, 0]
    for row, (place, value) in enumerate(values):
        if parts[row] is None or parts[row] != parts[row]:
            return f", such as {fields[place].name} = {'a gap' if value != value else value}"
    return ""


def _hard_rows(challenge: Challenge, pipeline: Any, native: NativeRuntime) -> Columns:
    groups = splits(pipeline)
    found = challenge.at_thresholds(groups) if groups else challenge.at_jumps(native.run)
    return joined(challenge.extremes(), found)


def _judge(
    content: bytes, native: NativeRuntime, reference: Reference, fields: Sequence[Field],
    card: Description,
) -> tuple[ParityEntry, str, OnnxRuntime | None]:  # fmt: skip
    """Compare an export with the pipeline; return its runtime if it serves, or else why not."""
    load = partial(OnnxRuntime, content, fields, has_probabilities=card["has_probabilities"])
    comparison = compare(load, reference, card)
    parity = cast("ParityEntry", comparison._asdict())
    rows = reference.columns
    reason = comparison.reason or slower(measure(load(), rows), measure(native, rows))
    return parity, reason, None if reason else load()


def _describe(
    runtime: Runtime, definition: ModelDefinition, fields: Sequence[Field], columns: Columns,
    card: Description,
) -> RuntimeEntry:  # fmt: skip
    schema = Schema(tuple(fields), definition.target, definition.extras)
    example, *golden = _answer(
        [schema.example(), *golden_records(fields, seed=definition.seed)], schema, runtime, card
    )
    if example is None:
        raise PipelineRejectsRecord(
            "the example of the fields has no finite answer: choose other examples"
        )
    return {
        "runtime": "native" if isinstance(runtime, NativeRuntime) else "onnx",
        "parity": None,
        "runtime_reason": "",
        "schema": schema.to_json(),
        "seconds": measure(runtime, columns),
        "example": example,
        "golden": [entry for entry in golden if entry is not None],
    }


def check_alone(native: NativeRuntime, reference: Reference, real: int, card: Description) -> None:
    """Raise `PipelineRejectsRecord` if real rows, the first ones, are answered otherwise alone."""
    some = np.unique(np.linspace(0, real - 1, min(real, _SINGLE_ROWS)).astype(int))
    if differs_alone(native, reference.take(some), card):
        raise PipelineRejectsRecord(
            "the pipeline answers a record alone otherwise than among others: no step may "
            "compute from the rows that are predicted, only from those it was fitted on"
        )


def _answer(
    records: Sequence[dict[str, Any]], schema: Schema, runtime: Runtime, card: Description
) -> list[AnswerEntry | None]:
    """Return records with their answers, as the card has them; None without a finite one."""
    answers = decide(runtime.run(schema.columns(records)), card)
    return [
        {
            "record": record,
            "value": answer.value,
            "probability": answer.probability,
            "probabilities": answer.probabilities,
        }
        if _is_finite(answer)
        else None
        for record, answer in zip(records, answers, strict=True)
    ]


def _is_finite(answer: Prediction) -> bool:
    is_number = isinstance(answer.value, float)
    numbers = answer.probabilities or ((answer.value,) if is_number else ())
    return all(map(math.isfinite, numbers))
