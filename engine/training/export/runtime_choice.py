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
from engine.runtime.exact_contents import has_equal_bits, thresholds
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
from engine.schema.record_schema import Schema, is_double
from engine.training.artifact import dump_pipeline
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
    is_slower,
    measure,
)
from engine.training.export.thresholds import splits
from persistence.store_errors import UntrustedArtifact

#: (fitted pipeline, fields) -> the file of the exact runtime; raises `NotExact`.
Translator = Callable[[Any, Sequence[Field]], bytes]

#: (stored pipeline, fields, model=name) -> the export, or the reason why there is none.
Exporter = Callable[..., Export]

#: The exact runtime takes about so long for a record, whatever the model.
_EXACT_SECONDS = 2e-5

_SMALLER = "predict fewer classes, at most 1,000"

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
    """What came of one way to serve: the runtime and its file, or why not, and what to change."""

    reference: Reference | None = None
    parity: Parity | None = None
    why: str = ""
    remedy: str = ""
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
    native = NativeRuntime(fitted, definition.schema.inputs)
    fields = with_limits(definition.schema.inputs, native, columns)
    challenge = Challenge(columns, fields, seed=definition.seed)
    usual = _usual_rows(challenge, native, fields)
    case = _Case(fitted, native, fields, challenge, usual, card)
    texts = [field.name for field in fields if not is_double(field)]
    if texts:
        why = f"only the pipeline itself reads {texts[0]}"
        outcome = _Outcome(case.ask(), why=why, remedy="leave it out, or make it a Category")
    else:
        outcome = _exact(case, translate)
    if outcome.runtime is None and not texts:
        exported = export(stored, fields, model=card["model"])
        why, remedy, steps = outcome.why, outcome.remedy, exported.obstacles
        if steps and steps not in why:
            remedy += f", or leave out {steps}, which is not exported"
        outcome = _exported(case, exported)._replace(why=why, remedy=remedy)
    served = outcome.runtime or native
    files = {"model.skops": stored}
    if outcome.runtime is not None:
        files[RUN_FILES[outcome.name]] = outcome.content
    return _describe(case, definition, outcome, served), files, served


def decided_by(runtime: str, card: Description) -> Description:
    """Return a card that decides as its runtime does: only in an export may a tie be broken."""
    return card if runtime == "onnx" else {**card, "tie": 0.0}


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
        return _Outcome(why=error.why, remedy=error.remedy)
    except UntrustedArtifact as error:  # such as more classes than it takes
        return _Outcome(why=f"the exact runtime takes no such model ({error})", remedy=_SMALLER)
    found = case.challenge.at_numbers(*thresholds(content))
    reference = case.ask(case.challenge.extremes(), found)
    allowed = 0.0 if has_equal_bits(content) else TOLERANCE
    parity = compare(load, reference, decided_by("exact", case.card), allowed=allowed)
    if parity.reason:
        why = f"the exact runtime does not answer as the pipeline does ({parity.reason})"
        return _Outcome(why=why, remedy=_remedy_of_rounding(case.fields))
    return _Outcome(reference, parity, runtime=runtime, name="exact", content=content)


def _remedy_of_rounding(fields: Sequence[Field]) -> str:
    if names := [field.name for field in fields if field.extremes()]:
        names = [*names[:3], *(["others"] if len(names) > 3 else [])]
        return f"give {' and '.join(names)} a minimum and a maximum"
    return (
        "narrow the ranges of the fields to those of real records, or count what lies far from 0, "
        "as times in seconds do, from a nearer point"
    )


def _exported(case: _Case, exported: Export) -> _Outcome:
    """Run the export, if there is one and it passes."""
    if exported.content is None:
        return _Outcome(case.ask())
    reference = case.ask(_hard_rows(case))
    load = partial(
        OnnxRuntime, exported.content, case.fields,
        has_probabilities=case.card["has_probabilities"],
    )  # fmt: skip
    parity = compare(load, reference, case.card)
    rows = reference.columns
    if parity.reason or is_slower(measure(load(), rows), measure(case.native, rows)):
        return _Outcome(reference, parity)
    return _Outcome(reference, parity, runtime=load(), name="onnx", content=exported.content)


def _usual_rows(challenge: Challenge, native: NativeRuntime, fields: Sequence[Field]) -> Columns:
    """Return the real rows and the turning points, all of which the pipeline must take."""
    points, values = challenge.turning_points()
    usual = joined(challenge.real, points)
    try:
        native.answer(usual)
    except REJECTIONS as error:
        example = _first_rejected(native, fields, points, values)
        # XGBoost's messages end with the addresses of its code.
        text = str(error).partition("Stack trace:")[0].strip()
        raise PipelineRejectsRecord(
            f"the pipeline rejects records that the schema accepts{example}: {text}; let it "
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
    others = tuple(case.card["schema"].get("other_columns", ()))
    limited = {field.name: field for field in case.fields}
    fields = tuple(limited.get(field.name, field) for field in definition.fields)
    schema = Schema(fields, definition.target, definition.extras, others)
    records = [schema.example(), *golden_records(fields, seed=definition.seed)]
    example, *golden = _answer(records, schema, served, decided_by(outcome.name, case.card))
    if example is None:
        raise PipelineRejectsRecord(
            "the example of the fields has no finite answer: choose other examples"
        )
    assert outcome.reference is not None
    parity = None if outcome.parity is None else cast("ParityEntry", outcome.parity._asdict())
    if parity is not None and not math.isfinite(parity["difference"] or 0.0):
        parity["difference"] = None  # an answer where the pipeline has none; JSON has no infinity
    if parity is not None and case.challenge.thresholds:
        parity["thresholds"] = case.challenge.thresholds
        parity["thresholds_tried"] = case.challenge.tried
    seconds = measure(served, case.challenge.real)
    return {
        "runtime": outcome.name,
        "parity": parity,
        "runtime_reason": _reason(outcome, seconds["one_row"]),
        "spread": outcome.reference.spread if case.card["classes"] is None else None,
        "schema": schema.to_json(),
        "seconds": seconds,
        "example": example,
        "golden": [entry for entry in golden if entry is not None],
    }


def _reason(outcome: _Outcome, seconds: float) -> str:
    """Return why the exact runtime does not serve, what that costs, and what to change."""
    if outcome.name == "exact":
        return ""
    cost = f"a record takes {seconds * 1e3:.2g} ms instead of about {_EXACT_SECONDS * 1e3:g}"
    return f"{outcome.why}, so {cost}: {outcome.remedy}"


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
