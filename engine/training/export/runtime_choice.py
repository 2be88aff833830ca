"""Choose the runtime of a version: the export if it passes, otherwise the pipeline."""

from collections.abc import Callable, Sequence
from typing import Any
from zipfile import ZIP_DEFLATED

from skops.io import dumps

from engine.runtime.native import NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.runtime.trusted_types import load_pipeline
from engine.runtime.version import decide
from engine.schema.card import AnswerEntry, Description, ParityEntry, RuntimeEntry
from engine.schema.definition import ModelDefinition
from engine.schema.fields import Field
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
) -> tuple[RuntimeEntry, dict[str, bytes]]:
    """Export a fitted pipeline, compare, decide.

    Parameters
    ----------
    columns : mapping of str to sequence
        The held-out rows, clean.
    export : callable
        Converts; by default in a process of its own, under a time limit.

    Returns
    -------
    entry : RuntimeEntry
        For the card: ``runtime`` (onnx or native), ``runtime_reason`` (why
        it is native), ``parity``, ``seconds``, the worked ``example`` and the
        ``golden`` rows.
    files : dict of str to bytes
        ``model.skops``, and ``model.onnx`` when the export serves.

    Raises
    ------
    PipelineRejectsRecord
        When the pipeline refuses a record that the schema accepts.
    UntrustedArtifact
        When the pipeline holds a type that is not trusted.
    """
    fields = definition.fields
    files = {"model.skops": dumps(pipeline, compression=ZIP_DEFLATED, compresslevel=6)}
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
        comparison, reasons[recipe] = _judge(exported[recipe], fields, native, expected, rows, card)
        parity = {**comparison, "recipe": recipe}
        if not reasons[recipe]:
            reasons = {}
            files["model.onnx"] = exported[recipe]
            served = _load(exported[recipe], fields, card)
            break
    golden = golden_records(fields, seed=definition.seed)
    entry: RuntimeEntry = {
        "runtime": "native" if served is native else "onnx",
        "parity": parity,
        "runtime_reason": "; ".join(f"{recipe}: {why}" for recipe, why in reasons.items()),
        "seconds": measure(served, columns),
        "example": _answer([definition.schema.example()], definition, served, card)[0],
        "golden": _answer(golden, definition, served, card),
    }
    return entry, files


def _judge(
    content: bytes,
    fields: tuple[Field, ...],
    native: Runtime,
    expected: Outputs,
    rows: Columns,
    card: Description,
) -> tuple[ParityEntry, str]:
    """Return the comparison and the reason to refuse, empty when there is none."""
    parity = compare(lambda: _load(content, fields, card), expected, rows, card)
    if parity.reason:
        return parity.to_json(), parity.reason
    exported = _load(content, fields, card)
    return parity.to_json(), slower(measure(exported, rows), measure(native, rows))


def _load(content: bytes, fields: tuple[Field, ...], card: Description) -> Runtime:
    return OnnxRuntime(content, fields, has_probabilities=card["has_probabilities"])


def _answer(
    records: Sequence[dict[str, Any]], definition: ModelDefinition, runtime: Runtime,
    card: Description,
) -> list[AnswerEntry]:  # fmt: skip
    """Put the answers beside records, as the card keeps them."""
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
