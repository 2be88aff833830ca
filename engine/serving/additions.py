"""What the options of a request, and reasons, add to its predictions."""

from collections.abc import Sequence
from typing import Any

from engine.records.media_types import JSON, TABLES
from engine.records.problems import BadRequest
from engine.runtime.answers import Prediction
from engine.runtime.explanation import NotExplained, explain
from engine.serving.observers import Decided
from engine.serving.request import Options

#: So many records of a request are explained, and for so many seconds in all.
_MOST_EXPLAINED, _SECONDS = 20, 5.0


def check_form(options: Options, kind: str, form: str) -> None:
    """Raise `BadRequest` for options that a request of a media type, or its answer, cannot have."""
    if options.explain and (kind in TABLES or form != JSON):
        raise BadRequest(400, "explain is true, and only JSON is explained: send and accept JSON")


def additions(decided: Decided, form: str) -> list[dict[str, Any]]:
    """Return the keys that are added to the prediction of each record; empty for none at all."""
    card, matrix = decided.chosen.version.card, decided.matrix
    is_explained, reasons = decided.chosen.options.explain, card.get("reasons", 0)
    if is_explained and len(matrix) > _MOST_EXPLAINED:
        raise BadRequest(
            400, f"explain is true for {len(matrix)} records: send at most {_MOST_EXPLAINED}"
        )
    if form != JSON or not (is_explained or (reasons and len(matrix) <= _MOST_EXPLAINED)):
        return []
    added: list[dict[str, Any]] = []
    for row, label in enumerate(_labels(decided)):
        is_negative = reasons and label != card["positive"]
        explanation = _explanation(decided, row, label) if is_explained or is_negative else {}
        added.append({"explanation": explanation} if is_explained else {})
        if is_negative:
            against = [each for each in explanation["contributions"] if each["contribution"] < 0]
            added[-1]["reasons"] = against[:reasons]
    return added


def _labels(decided: Decided) -> Sequence[Any]:
    """Return the predicted class of each record; None where a number is predicted."""
    decisions, classes = decided.decisions, decided.chosen.version.card["classes"]
    if classes is None:
        return [None] * len(decided.matrix)
    if isinstance(decisions, Prediction):
        return [decisions.value]
    return [classes[place] for place in decisions.chosen or ()]


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
        raise BadRequest(422, f"record {row + 1} of {len(matrix)} {reason}") from reason
