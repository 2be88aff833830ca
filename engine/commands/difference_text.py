"""What changed from one version of a model to another, for people to read."""

from collections.abc import Mapping
from typing import Any

from engine.cards.difference import PARTS
from engine.commands.output import indented, table
from engine.commands.service_metrics import live_text


def difference_text(found: Mapping[str, Any]) -> str:
    """Write what `difference` found for people."""
    head = f"{found['model']}: from {found['from']} to {found['to']}"
    parts = [_part("Model", _pairs(found["facts"])), _part("Fields", field_rows(found["fields"]))]
    parts += [_part(title, _pairs(found[part])) for part, title in PARTS.items()]
    moved = found["importances"].items()
    rows = [(name, f"{one['from']:.4f} -> {one['to']:.4f}") for name, one in moved]
    parts += [_part("Permutation importances that moved", rows), _score_text(found)]
    if "answers" in found:
        parts.append(_answer_text(found["answers"]))
    if "live" in found:
        parts.append(live_text(found["live"]))
    return "\n\n".join([head, *filter(None, parts)])


def _part(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _pairs(changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, f"{_shown(one['from'])} -> {_shown(one['to'])}") for name, one in changes.items()
    ]


def _shown(value: Any) -> str:
    return "none" if value is None or value == "" else str(value)


def field_rows(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name every field that came, went or changed, and say how."""
    rows = [(name, "added") for name in fields["added"]]
    rows += [(name, "removed") for name in fields["removed"]]
    for name, changes in [*fields["changed"].items(), ("the target", fields["target"])]:
        rows += [(name, f"{key}: {text}") for key, text in _pairs(changes)]
    return [*rows, ("the order", "changed")] if fields["is_order_changed"] else rows


def _score_text(found: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            f"{one['from']['value']:.4f} -> {one['to']['value']:.4f}",
            f"{one['change']:+.4f}",
            f"{one['from']['low']:.4f} to {one['from']['high']:.4f}",
            f"{one['to']['low']:.4f} to {one['to']['high']:.4f}",
            "exceeds both intervals" if one["exceeds_intervals"] else "within an interval",
        ]
        for name, one in found["scores"].items()
    ]
    heads = ("score", "value", "change", "interval before", "and now", "")
    lines = ["Scores", indented(table(heads, rows))]
    if "sha256" in found["data"]:
        lines.append("  The data differ, so each was scored on other rows.")
    return "\n".join(lines)


def _answer_text(found: Mapping[str, Any]) -> str:
    rows = ", ".join(map(str, found["rows_that_differ_most"])) or "none"
    lines = [f"Answers to {found['rows']} records"]
    if found["labels_that_differ"] is not None:
        lines.append(f"  labels that differ              {found['labels_that_differ']}")
    if found["largest_difference"] is not None:
        what = "number" if found["labels_that_differ"] is None else "probability"
        lines.append(f"  {f'largest difference of {what}':<32}{found['largest_difference']:.6g}")
    return "\n".join([*lines, f"  rows that differ most           {rows}"])
