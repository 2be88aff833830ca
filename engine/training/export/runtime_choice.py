"""Which runtime serves a version: the export that passes, else the pipeline."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zipfile import ZIP_DEFLATED

from skops.io import dumps

from engine.runtime.native import NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.runtime.runtimes import Columns, Outputs, Runtime
from engine.runtime.trusted_types import load_pipeline
from engine.runtime.version import decide
from engine.schema.definition import ModelDefinition
from engine.schema.fields import Field
from engine.training.export.export import RECIPES, export
from engine.training.export.golden import golden_records
from engine.training.export.parity import challenge, compare, measure, slower

#: (stored pipeline, fields, model=name) -> exports and reasons, by recipe.
Export = Callable[..., tuple[dict[str, bytes], dict[str, str]]]


class PipelineRejectsRecord(ValueError):
    """The fitted pipeline cannot answer what the schema accepts."""


def choose_runtime(
    definition: ModelDefinition,
    pipeline: Any,
    columns: Columns,
    card: Mapping[str, Any],
    *,
    export: Export = export,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Export a fitted pipeline, compare, decide.

    Parameters
    ----------
    columns : mapping of str to sequence
        The held-out rows, clean.
    export : callable
        Converts; by default in a process of its own, under a time limit.

    Returns
    -------
    found : dict
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
    rows = challenge(columns, fields, seed=definition.seed)
    try:
        expected = native.run(rows)
    except ValueError as error:
        raise PipelineRejectsRecord(
            f"the pipeline refuses records that the schema accepts: {error}; let it take them "
            "(handle_unknown, an imputer), or let the field refuse them"
        ) from error
    exported, reasons = export(files["model.skops"], fields, model=card["model"])
    found: dict[str, Any] = {"runtime": "native", "parity": None}
    served: Runtime = native
    for recipe in (one for one in RECIPES if one in exported):
        found["parity"], reasons[recipe] = _judge(
            exported[recipe], fields, native, expected, rows, card
        )
        found["parity"]["recipe"] = recipe
        if not reasons[recipe]:
            found["runtime"], reasons = "onnx", {}
            files["model.onnx"] = exported[recipe]
            served = _load(exported[recipe], fields, card)
            break
    found["runtime_reason"] = "; ".join(f"{recipe}: {why}" for recipe, why in reasons.items())
    found["seconds"] = measure(served, columns)
    (found["example"],) = _answered([definition.schema.example()], definition, served, card)
    golden = golden_records(fields, seed=definition.seed)
    found["golden"] = _answered(golden, definition, served, card)
    return found, files


def _judge(
    content: bytes,
    fields: tuple[Field, ...],
    native: Runtime,
    expected: Outputs,
    rows: Columns,
    card: Mapping[str, Any],
) -> tuple[dict[str, Any], str]:
    """Give the parity found and the reason to refuse, empty when there is none."""
    parity = compare(lambda: _load(content, fields, card), expected, rows, card)
    if parity.reason:
        return parity.to_json(), parity.reason
    exported = _load(content, fields, card)
    return parity.to_json(), slower(measure(exported, rows), measure(native, rows))


def _load(content: bytes, fields: tuple[Field, ...], card: Mapping[str, Any]) -> Runtime:
    return OnnxRuntime(content, fields, has_probabilities=card["has_probabilities"])


def _answered(
    records: Sequence[Mapping[str, Any]], definition: ModelDefinition, runtime: Runtime,
    card: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
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
