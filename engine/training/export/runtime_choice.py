"""Choose the runtime of a version: exact, else an export, else the pipeline itself.

The first that answers as the pipeline does, and not slower, serves.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from engine.runtime.answers import Prediction
from engine.runtime.exact import ExactRuntime
from engine.runtime.exact_library import NoExactLibrary
from engine.runtime.loading import RUN_FILES
from engine.runtime.native import REJECTIONS, NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.runtime.runtimes import Columns, Runtime
from engine.runtime.tolerance import TOLERANCE
from engine.runtime.trusted_types import load_pipeline
from engine.runtime.version import decide
from engine.schema.card import AnswerEntry, Description, ParityEntry, RuntimeEntry
from engine.schema.definition import ModelDefinition
from engine.schema.fields import Field
from engine.schema.record_schema import Schema
from engine.training.artifact import dump_pipeline
from engine.training.exact.contents import has_equal_bits, thresholds
from engine.training.exact.refusal import NotExact
from engine.training.exact.translation import translate
from engine.training.export.challenge import Challenge, joined
from engine.training.export.export import Export, export
from engine.training.export.golden import golden_records
from engine.training.export.limits import with_limits
from engine.training.export.parity import (
    Parity,
    Reference,
    ask,
    compare,
    differs_alone,
    measure,
    slower,
)
from engine.training.export.thresholds import splits

#: (fitted pipeline, fields) -> the file of the exact runtime; raises `NotExact`.
Translator = Callable[[Any, Sequence[Field]], bytes]

#: (stored pipeline, fields, model=name) -> the export, or the reason why there is none.
Exporter = Callable[..., Export]

#: So many real rows are given to the pipeline one by one.
_SINGLE_ROWS = 8


class PipelineRejectsRecord(ValueError):
    """The fitted pipeline does not answer the records that the schema accepts, each by itself."""


class _Case(NamedTuple):
    """A fitted pipeline, and what is compared with it; the usual rows are those it must take."""

    pipeline: Any
    native: NativeRuntime
    fields: Sequence[Field]
    challenge: Challenge
    usual: Columns
    card: Description

    def ask(self, *rows: Columns) -> Reference:
        """Let the pipeline answer the usual rows and others; check that it does so alone, too."""
        reference = ask(self.native, joined(self.usual, *rows), self.challenge.size, self.card)
        check_alone(self.native, reference, self.challenge.size, self.card)
        return reference


class _Outcome(NamedTuple):
    """What came of one way to serve: the runtime and its file, or the reason why there is none."""

    reference: Reference | None = None
    parity: Parity | None = None
    reason: str = ""
    runtime: Runtime | None = None
    name: Literal["exact", "onnx", "native"] = "native"
    content: bytes = b""


def choose_runtime(
    definition: ModelDefinition,
    pipeline: Any,
    columns: Columns,
    card: Description,
    *,
    translate: Translator = translate,
    export: Exporter = export,
) -> tuple[RuntimeEntry, dict[str, bytes], Runtime]:
    """Find the first way to serve a fitted pipeline that passes: exact, exported, or as it is.

    The columns are the held-out rows, clean. The files are ``model.skops``, and that of the
    runtime. The runtime is the one that will serve.
    Raise `PipelineRejectsRecord`, or `UntrustedArtifact` when the pipeline holds a
    type that is not trusted.
    """
    stored = dump_pipeline(pipeline)
    # Read back, so that an untrusted type is refused now and not when serving.
    fitted = load_pipeline(stored, model=card["model"])
    native = NativeRuntime(fitted, definition.fields)
    fields = with_limits(definition.fields, native, columns)
    challenge = Challenge(columns, fields, seed=definition.seed)
    usual = _usual_rows(challenge, native, fields)
    case = _Case(fitted, native, fields, challenge, usual, card)
    outcome = _exact(case, translate)
    if outcome.runtime is None:
        exported = _exported(case, export(stored, fields, model=card["model"]))
        reasons = filter(None, (outcome.reason, exported.reason))
        outcome = exported._replace(reason="; ".join(reasons))
    served = outcome.runtime or native
    files = {"model.skops": stored}
    if outcome.runtime is not None:
        files[RUN_FILES[outcome.name]] = outcome.content
    return _describe(case, definition, outcome, served), files, served


def decided_by(runtime: str, card: Description) -> Description:
    """Return a card that decides as its runtime does: to the exact one only equals are equal."""
    return {**card, "tie": 0.0} if runtime == "exact" else card


def _exact(case: _Case, translate: Translator) -> _Outcome:
    """Evaluate the fitted arrays themselves, if the exact runtime takes them."""
    try:
        content = translate(case.pipeline, case.fields)
        load = partial(
            ExactRuntime, content, case.fields,
            has_probabilities=case.card["has_probabilities"], classes=case.card["classes"],
        )  # fmt: skip
        runtime = load()
    except (NotExact, NoExactLibrary) as error:
        return _Outcome(reason=str(error))
    found = case.challenge.at_numbers(*thresholds(content))
    reference = case.ask(case.challenge.extremes(), found)
    allowed = 0.0 if has_equal_bits(content) else TOLERANCE
    parity = compare(load, reference, decided_by("exact", case.card), allowed=allowed)
    if parity.reason:
        return _Outcome(reason=f"the exact runtime answers otherwise: {parity.reason}")
    return _Outcome(reference, parity, "", runtime, "exact", content)


def _exported(case: _Case, exported: Export) -> _Outcome:
    """Run the export, if there is one and it passes."""
    if exported.content is None:
        return _Outcome(case.ask(), None, exported.reason)
    reference = case.ask(_hard_rows(case))
    load = partial(
        OnnxRuntime, exported.content, case.fields,
        has_probabilities=case.card["has_probabilities"],
    )  # fmt: skip
    parity = compare(load, reference, case.card)
    rows = reference.columns
    reason = parity.reason or slower(measure(load(), rows), measure(case.native, rows))
    if reason:
        return _Outcome(reference, parity, reason)
    return _Outcome(reference, parity, "", load(), "onnx", exported.content)


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


def _hard_rows(case: _Case) -> Columns:
    challenge, groups = case.challenge, splits(case.pipeline)
    found = challenge.at_thresholds(groups) if groups else challenge.at_jumps(case.native.run)
    return joined(challenge.extremes(), found)


def _describe(
    case: _Case, definition: ModelDefinition, outcome: _Outcome, served: Runtime
) -> RuntimeEntry:
    schema = Schema(tuple(case.fields), definition.target, definition.extras)
    records = [schema.example(), *golden_records(case.fields, seed=definition.seed)]
    example, *golden = _answer(records, schema, served, decided_by(outcome.name, case.card))
    if example is None:
        raise PipelineRejectsRecord(
            "the example of the fields has no finite answer: choose other examples"
        )
    assert outcome.reference is not None
    parity = None if outcome.parity is None else cast("ParityEntry", outcome.parity._asdict())
    if parity is not None and case.challenge.thresholds:
        parity["thresholds"] = case.challenge.thresholds
        parity["thresholds_tried"] = case.challenge.tried
    return {
        "runtime": outcome.name,
        "parity": parity,
        "runtime_reason": outcome.reason,
        "spread": outcome.reference.spread if case.card["classes"] is None else None,
        "schema": schema.to_json(),
        "seconds": measure(served, case.challenge.real),
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
