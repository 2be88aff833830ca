"""Choose the runtime of a version: the export if it passes, otherwise the pipeline."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from engine.runtime.native import NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.runtime.runtimes import Columns, Runtime
from engine.runtime.trusted_types import load_pipeline
from engine.runtime.version import decide
from engine.schema.card import AnswerEntry, Description, ParityEntry, RuntimeEntry
from engine.schema.definition import ModelDefinition
from engine.training.artifact import dump_pipeline
from engine.training.export.export import RECIPES, export
from engine.training.export.golden import golden_records
from engine.training.export.parity import challenge_rows, compare, measure, slower

#: (stored pipeline, fields, model=name) -> exports and reasons, by recipe.
Export = Callable[..., tuple[dict[str, bytes], dict[str, str]]]


class PipelineRejectsRecord(ValueError):
    """The fitted pipeline rejects a record that the schema accepts."""


def choose_runtime(
    definition: ModelDefinition,
    pipeline: Any,
    columns: Columns,
    card: Description,
    *,
    export: Export = export,
) -> tuple[RuntimeEntry, dict[str, bytes], Runtime]:
    """Export a fitted pipeline, compare, decide.

    The columns are the held-out rows, clean. The files are ``model.skops``, and
    ``model.onnx`` when the export serves. The runtime is the one that will serve.
    Raise `PipelineRejectsRecord`, or `UntrustedArtifact` when the pipeline holds a
    type that is not trusted.
    """
    fields = definition.fields
    files = {"model.skops": dump_pipeline(pipeline)}
    # Read back, so that an untrusted type is refused now and not when serving.
    native = NativeRuntime(load_pipeline(files["model.skops"], model=card["model"]), fields)
    rows = challenge_rows(columns, fields, seed=definition.seed)
    try:
        expected = native.run(rows)
    except ValueError as error:
        raise PipelineRejectsRecord(
            f"the pipeline rejects records that the schema accepts: {error}; let it accept them "
            "(handle_unknown, an imputer), or let the field reject them"
        ) from error
    exported, reasons = export(files["model.skops"], fields, model=card["model"])
    parity: ParityEntry | None = None
    served: Runtime = native
    for recipe in filter(exported.__contains__, RECIPES):
        has_probabilities = card["has_probabilities"]
        load = partial(OnnxRuntime, exported[recipe], fields, has_probabilities=has_probabilities)
        comparison = compare(load, expected, rows, card)
        parity = cast("ParityEntry", {**comparison._asdict(), "recipe": recipe})
        reasons[recipe] = comparison.reason or slower(measure(load(), rows), measure(native, rows))
        if not reasons[recipe]:
            reasons, served, files["model.onnx"] = {}, load(), exported[recipe]
            break
    entry: RuntimeEntry = {
        "runtime": "native" if served is native else "onnx",
        "parity": parity,
        "runtime_reason": "; ".join(f"{recipe}: {why}" for recipe, why in reasons.items()),
        "seconds": measure(served, columns),
        "example": _answer([definition.schema.example()], definition, served, card)[0],
        "golden": _answer(golden_records(fields, seed=definition.seed), definition, served, card),
    }
    return entry, files, served


def _answer(
    records: Sequence[dict[str, Any]], definition: ModelDefinition, runtime: Runtime,
    card: Description,
) -> list[AnswerEntry]:  # fmt: skip
    """Return records with their answers, as the card has them."""
    answers = decide(runtime.run(definition.schema.columns(records)), card)
    return [
        {
            "record": record,
            "value": answer.value,
            "probability": answer.probability,
            "probabilities": answer.probabilities,
        }
        for record, answer in zip(records, answers, strict=True)
    ]
