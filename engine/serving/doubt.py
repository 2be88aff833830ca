"""What a request that asks how sure an answer is gets besides: sets of classes, and familiarity."""

from typing import Any

from msgspec import structs

from engine.records.media_types import JSON, TABLES
from engine.records.problems import BadRequest
from engine.runtime.answers import Prediction
from engine.runtime.familiarity import compare
from engine.runtime.uncertainty import COVERAGE, class_sets, has_limits
from engine.serving.observers import Decided
from engine.serving.request import Chosen, Options


def ask_all(chosen: Chosen, *, is_explained: bool) -> Chosen:
    """Return what was chosen, with the default coverage as an option if the version knows it."""
    coverage = COVERAGE if has_limits(chosen.version.card, COVERAGE) else None
    return structs.replace(chosen, options=Options(explain=is_explained, coverage=coverage))


def check_sets(chosen: Chosen, kind: str, form: str) -> None:
    """Raise `BadRequest` where sets of classes are requested for a table, or in one."""
    is_set = chosen.options.coverage is not None and chosen.version.card["classes"] is not None
    if is_set and (kind in TABLES or form != JSON):
        raise BadRequest(
            400, "coverage gives sets of classes, which are for JSON alone: send and accept JSON"
        )


def with_doubts(decided: Decided, added: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    """Add `set` and `unfamiliar` for each record of an answer in JSON, if a version has them."""
    options, version = decided.chosen.options, decided.chosen.version
    if form != JSON or (not options.explain and options.coverage is None):
        return added
    matrix, classes = decided.matrix, version.card["classes"]
    added = added or [{} for _ in matrix]
    if classes is not None and options.coverage is not None:
        decisions: Any = decided.decisions
        if isinstance(decisions, Prediction):
            shares, chosen = [decisions.probabilities], [classes.index(decisions.value)]
        else:
            shares, chosen = decisions.probabilities, decisions.chosen
        sets = class_sets(version.card, options.coverage, shares, chosen)
        added = [{**addition, "set": each} for addition, each in zip(added, sets, strict=True)]
    entry, reference = version.card.get("uncertainty", {}).get("familiarity"), version.reference
    if entry and reference and reference.coded:
        inputs = version.schema.inputs
        compared = compare(reference.coded, version.inputs(matrix), inputs, entry)
        added = [
            {**addition, "unfamiliar": each} for addition, each in zip(added, compared, strict=True)
        ]
    return added
