"""Merge two descendants of a Pipfile.lock, package by package."""

import json
from typing import Any


def merge_lock(base: str, ours: str, theirs: str) -> tuple[str, list[str]]:
    """Merge three texts of Pipfile.lock.

    What one side alone changed, added or removed is taken from that side. Where
    both changed a package, theirs is taken: the release was tested with it. The
    digest of the Pipfile is theirs too, so the caller has to write it anew.

    Returns
    -------
    tuple of str and list of str
        The merged text, and a line for each package that both changed.
    """
    old, mine, new = json.loads(base), json.loads(ours), json.loads(theirs)
    merged: dict[str, Any] = {"_meta": new["_meta"]}
    conflicts = []
    for section in sorted({*old, *mine, *new} - {"_meta"}):
        sides = [lock.get(section, {}) for lock in (old, mine, new)]
        packages = {}
        for name in sorted({package for side in sides for package in side}):
            was, here, there = (side.get(name) for side in sides)
            if here not in (was, there) and there != was:
                what = f"{name} is {_pin(here)} here and {_pin(there)} in the release"
                conflicts.append(what if section == "default" else f"{what} ({section})")
            entry = here if there == was else there
            if entry is not None:
                packages[name] = entry
        if packages or section in mine or section in new:
            merged[section] = packages
    return json.dumps(merged, indent=4, sort_keys=True) + "\n", conflicts


def _pin(entry: dict[str, Any] | None) -> str:
    return "removed" if entry is None else str(entry.get("version", entry)).removeprefix("==")
