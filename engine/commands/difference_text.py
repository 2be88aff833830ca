"""What changed from one version of a model to another, for people to read."""

from collections.abc import Mapping
from typing import Any

from engine.cards.difference import PARTS
from engine.commands.output import indented, table
from engine.commands.service_metrics import live_text
from engine.schema.messages import rounded


def difference_text(changes: Mapping[str, Any]) -> str:
    """Format for people what `engine.cards.difference.difference` returns."""
    head = f"{changes['model']}: from {changes['from']} to {changes['to']}"
    moved = [
        (field, f"{rounded(mean['from'])} -> {rounded(mean['to'])}")
        for field, mean in changes["importances"].items()
    ]
    parts = [
        head,
        _part("Model", _pairs(changes["facts"])),
        _part("Fields", field_rows(changes["fields"])),
        *(_part(title, _pairs(changes[part])) for part, title in PARTS.items()),
        _part("Permutation importances that moved", moved),
        _score_text(changes),
        _answer_text(changes["answers"]) if "answers" in changes else "",
        live_text(changes["live"]) if "live" in changes else "",
    ]
    return "\n\n".join(filter(None, parts))


def _part(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _pairs(changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    texts = {
        key: ["none" if change[end] in (None, "") else str(change[end]) for end in ("from", "to")]
        for key, change in changes.items()
    }
    return [(key, " -> ".join(ends)) for key, ends in texts.items()]


def field_rows(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List every field that was added, removed or changed, and how."""
    rows = [(name, "added") for name in fields["added"]]
    rows += [(name, "removed") for name in fields["removed"]]
    for name, changes in [*fields["changed"].items(), ("the target", fields["target"])]:
        rows += [(name, f"{key}: {text}") for key, text in _pairs(changes)]
    return [*rows, ("the order", "changed")] if fields["is_order_changed"] else rows


def _score_text(changes: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            f"{rounded(score['from']['value'])} -> {rounded(score['to']['value'])}",
            rounded(score["change"], sign="+"),
            f"{rounded(score['from']['low'])} to {rounded(score['from']['high'])}",
            f"{rounded(score['to']['low'])} to {rounded(score['to']['high'])}",
            "exceeds both intervals" if score["exceeds_intervals"] else "within an interval",
        ]
        for name, score in changes["scores"].items()
    ]
    heads = ("score", "value", "change", "interval before", "and now", "")
    text = f"Scores\n{indented(table(heads, rows))}"
    if "sha256" in changes["data"]:
        text += "\n  The data differ, so the versions were scored on different rows."
    return text


def _answer_text(answers: Mapping[str, Any]) -> str:
    rows = ", ".join(map(str, answers["rows_that_differ_most"])) or "none"
    lines = [f"Answers to {answers['rows']} records"]
    if answers["labels_that_differ"] is not None:
        lines.append(f"  labels that differ              {answers['labels_that_differ']}")
    if answers["largest_difference"] is not None:
        what = "number" if answers["labels_that_differ"] is None else "probability"
        lines.append(f"  {f'largest difference of {what}':<32}{answers['largest_difference']:.6g}")
    return "\n".join([*lines, f"  rows that differ most           {rows}"])
