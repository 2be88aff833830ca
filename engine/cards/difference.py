"""What changed from one version of a model to another, by their cards."""

from collections.abc import Mapping
from typing import Any

from engine.languages import mark

#: Of a card, what is compared as it stands.
_FACTS = (
    "title", "description", "task", "classes", "positive", "threshold", "estimator", "trees",
    "seed", "score", "runtime",
)  # fmt: skip

#: Parts of a card that are compared key by key, and what they are called.
PARTS = {
    "hyperparameters": mark("Parameters"), "data": mark("Data"), "code": mark("Code"),
    "libraries": mark("Libraries"),
}  # fmt: skip


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two cards.

    Of the facts, of each of `PARTS` and of the fields, what differs is returned; of
    the scores, all that both have; of the importances, the fields whose permutation
    importance moved by more than both deviations together.
    """
    schemas = old["schema"], new["schema"]
    before, after = ({field["name"]: field for field in schema["fields"]} for schema in schemas)
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
                name: change for name in same if (change := _changed(before[name], after[name]))
            },
            "target": _changed(schemas[0]["target"], schemas[1]["target"]),
            "is_order_changed": same != [name for name in after if name in before],
        },
        "scores": _scores(old["scores"], new["scores"]),
        "importances": _moved(old["permutation_importances"], new["permutation_importances"]),
        **{part: _changed(old[part], new[part]) for part in PARTS},
    }


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what differs; null where a card does not have the key."""
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
    moved = {}
    for name in (field for field in old if field in new):
        before, after = old[name], new[name]
        if abs(after["mean"] - before["mean"]) > before["std"] + after["std"]:
            moved[name] = {"from": before["mean"], "to": after["mean"]}
    return moved
