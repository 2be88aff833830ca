"""What changed from one version of a model to another, by their cards."""

from collections.abc import Mapping
from typing import Any

from commands.live import live_text
from commands.terminal import indented, table

#: Of a card, what is compared as it stands.
_FACTS = (
    "title", "description", "task", "classes", "positive", "threshold", "estimator", "trees",
    "seed", "score", "runtime", "runtime_reason",
)  # fmt: skip

#: Parts of a card that are compared key by key, and what they are called.
_PARTS = {
    "hyperparameters": "Parameters", "data": "Data", "code": "Code", "libraries": "Libraries"
}  # fmt: skip


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two cards.

    Returns
    -------
    dict
        ``facts`` and each of `_PARTS`: what differs, key to old and new value.
        ``fields``: those that came, went or changed. ``scores``: all that both
        have. ``importances``: the fields whose permutation importance moved by
        more than both deviations together.
    """
    schemas = old["schema"], new["schema"]
    before, after = ({one["name"]: one for one in schema["fields"]} for schema in schemas)
    same = [name for name in before if name in after]
    facts = [{key: card[key] for key in _FACTS} for card in (old, new)]
    for fact, schema in zip(facts, schemas, strict=True):
        fact["extras"] = schema["extras"]
    return {
        "model": old["model"],
        "from": old["version"],
        "to": new["version"],
        "facts": _changed(*facts),
        "fields": {
            "added": [name for name in after if name not in before],
            "removed": [name for name in before if name not in after],
            "changed": {
                name: found for name in same if (found := _changed(before[name], after[name]))
            },
            "target": _changed(schemas[0]["target"], schemas[1]["target"]),
            "is_order_changed": same != [name for name in after if name in before],
        },
        "scores": _scores(old["scores"], new["scores"]),
        "importances": _moved(old["permutation_importances"], new["permutation_importances"]),
        **{part: _changed(old[part], new[part]) for part in _PARTS},
    }


def difference_text(found: Mapping[str, Any]) -> str:
    """Write what `difference` found for people."""
    head = f"{found['model']}: from {found['from']} to {found['to']}"
    parts = [_part("Model", _pairs(found["facts"])), _part("Fields", field_rows(found["fields"]))]
    parts += [_part(title, _pairs(found[part])) for part, title in _PARTS.items()]
    moved = found["importances"].items()
    rows = [(name, f"{one['from']:.4f} -> {one['to']:.4f}") for name, one in moved]
    parts += [_part("Permutation importances that moved", rows), _score_text(found)]
    if "answers" in found:
        parts.append(_answer_text(found["answers"]))
    if "live" in found:
        parts.append(live_text(found["live"]))
    return "\n\n".join([head, *filter(None, parts)])


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give what differs; null where one of them has no such key."""
    keys = [*old, *(key for key in new if key not in old)]
    return {
        key: {"from": old.get(key), "to": new.get(key)}
        for key in keys
        if old.get(key) != new.get(key) or (key in old) != (key in new)
    }


def _scores(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "from": old[name],
            "to": new[name],
            "change": new[name]["value"] - old[name]["value"],
            "exceeds_intervals": not (
                _is_within(new[name]["value"], old[name])
                or _is_within(old[name]["value"], new[name])
            ),
        }
        for name in old
        if name in new
    }


def _is_within(value: float, score: Mapping[str, float]) -> bool:
    return score["low"] <= value <= score["high"]


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    found = {}
    for name in (one for one in old if one in new):
        before, after = old[name], new[name]
        if abs(after["mean"] - before["mean"]) > before["std"] + after["std"]:
            found[name] = {"from": before["mean"], "to": after["mean"]}
    return found


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
