"""What the options of a request, and reasons, add to the predictions of an answer in JSON."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.records.media_types import JSON, TABLES
from engine.records.problems import BadRequest
from engine.runtime.answers import Prediction
from engine.runtime.coverage import COVERAGE, class_sets, has_limits
from engine.runtime.explanation import NotExplained, explain
from engine.runtime.familiarity import compare
from engine.runtime.version import StoredVersion
from engine.schema.record_schema import Coding
from engine.serving.observers import Decided
from engine.serving.request import Chosen, Options, PredictRequest

#: So many records of a request are explained, and for so many seconds in all.
_MOST_EXPLAINED, _SECONDS = 20, 5.0


def all_options(version: StoredVersion, *, is_explained: bool) -> Options:
    """Return options that ask for all that tells how sure a version is of an answer."""
    coverage = COVERAGE if has_limits(version.card, COVERAGE) else None
    return Options(explain=is_explained, coverage=coverage)


def check_form(chosen: Chosen, kind: str, form: str) -> None:
    """Raise `BadRequest` for options that a request of a media type, or its answer, cannot have."""
    options, has_classes = chosen.options, chosen.version.card["classes"] is not None
    if kind not in TABLES and form == JSON:
        return
    problems = []
    if options.explain:
        text = _("explain is true, and explanations are for JSON alone: send and accept JSON")
        problems.append(text)
    if options.coverage is not None and has_classes:
        text = _("coverage gives sets of classes, which are for JSON alone: send and accept JSON")
        problems.append(text)
    if problems:
        raise BadRequest(400, "; ".join(problems))


def additions(decided: Decided, form: str) -> list[dict[str, Any]]:
    """Return the keys that are added to the prediction of each record; empty for none at all."""
    rows = len(decided.matrix)
    if decided.chosen.options.explain and rows > _MOST_EXPLAINED:
        raise BadRequest(
            400,
            _("explain is true for {rows} records: send at most {most_explained}").format(
                rows=rows, most_explained=_MOST_EXPLAINED
            ),
        )
    if form != JSON:
        return []
    parts = filter(None, (_explanations(decided), _sets(decided), _familiarity(decided)))
    return [reduce(or_, keys) for keys in zip(*parts, strict=True)]


def explain_again(
    version: StoredVersion, record: Mapping[str, Any], count_rows: Callable[[int], None]
) -> dict[str, Any]:
    """Explain the answer to a logged record anew, which no observer sees.

    Raise `ValueError` where a value is not valid any more, `BadRequest` as `additions` does.
    """
    matrix = Coding(version.schema.fields).pack(version.schema.columns([record]))
    request = PredictRequest(b"", JSON, "", version.name, count_rows=count_rows)
    chosen = Chosen(request, version, None, Options(explain=True))
    explanation: dict[str, Any] = _explanations(
        Decided(chosen, matrix, version.decide_matrix(matrix))
    )[0]["explanation"]
    return explanation


def _explanations(decided: Decided) -> list[dict[str, Any]]:
    """Return the explanations that are asked for, and reasons with every negative answer."""
    card, is_explained = decided.chosen.version.card, decided.chosen.options.explain
    rows, reasons = len(decided.matrix), card.get("reasons", 0)
    if not is_explained and (not reasons or rows > _MOST_EXPLAINED):
        return []
    classes = card["classes"]
    labels = [classes[place] for place in _places(decided)] if classes else [None] * rows
    added: list[dict[str, Any]] = []
    for row, label in enumerate(labels):
        is_negative = reasons and label != card["positive"]
        explanation = _explanation(decided, row, label) if is_explained or is_negative else {}
        added.append({"explanation": explanation} if is_explained else {})
        if is_negative:
            contributions = explanation["contributions"]
            against = [entry for entry in contributions if entry["contribution"] < 0]
            added[-1]["reasons"] = against[:reasons]
    return added


def _places(decided: Decided) -> Sequence[int]:
    """Return the places of the predicted classes."""
    if isinstance(decided.decisions, Prediction):
        return [decided.chosen.version.card["classes"].index(decided.decisions.value)]
    return decided.decisions.chosen or ()


def _explanation(decided: Decided, row: int, label: Any) -> dict[str, Any]:
    """Explain the probability of the positive class or, of more than two, of the predicted one."""
    version, options, matrix = decided.chosen.version, decided.chosen.options, decided.matrix
    request = decided.chosen.request
    classes = version.card["classes"]
    label = version.card["positive"] if len(classes or ()) == 2 else label
    share = _SECONDS / len(matrix)
    per_row = version.seconds(2) - version.seconds(1)
    most_rows = int((share - version.seconds(1)) / max(per_row, 1e-9))
    try:
        return {
            **({} if classes is None else {"class": label}),
            **explain(
                version, matrix[row], classes and classes.index(label), most_rows=most_rows,
                count_rows=request.count_rows if options.explain else lambda rows: None,
            ),
        }  # fmt: skip
    except NotExplained as reason:
        raise BadRequest(
            422,
            _("record {row} of {matrix} {reason}").format(
                row=row + 1, matrix=len(matrix), reason=reason
            ),
        ) from reason


def _sets(decided: Decided) -> list[dict[str, Any]]:
    """Return the set of classes that each true one may be, where a coverage is asked for."""
    coverage, card = decided.chosen.options.coverage, decided.chosen.version.card
    if coverage is None or card["classes"] is None:
        return []
    shares = np.atleast_2d(np.asarray(decided.decisions.probabilities))
    return [{"set": entry} for entry in class_sets(card, coverage, shares, _places(decided))]


def _familiarity(decided: Decided) -> list[dict[str, Any]]:
    """Return whether records are unlike all training rows, with any option, if it is known."""
    options, version = decided.chosen.options, decided.chosen.version
    entry, reference = version.card.get("uncertainty", {}).get("familiarity"), version.reference
    is_asked = options.explain or options.coverage is not None
    if not (is_asked and entry and reference and reference.coded):
        return []
    inputs = version.schema.inputs
    compared = compare(reference.coded, version.inputs(decided.matrix), inputs, entry)
    return [{"unfamiliar": entry} for entry in compared]
