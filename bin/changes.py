"""What a release changes in a project: which files are replaced, merged or left alone."""

import os
import re
from typing import NamedTuple

from merge_lock import merge_lock
from release import Release, check_unchanged
from repository import Stopped, Tree, blob_of, text_of, tree_of

#: Never touched. Everything else that the template has is merged three ways.
YOURS = ("models/", "data/", "artifacts/", "README.md", "LICENSE")

#: What the template has among the models.
FINDER = ("models/__init__.py", "models/schema.py")

#: Brought while it is the template's; left alone once it is a list of the user's own.
CHANGELOG = "CHANGELOG.md"

LOCK = "Pipfile.lock"


class Plan(NamedTuple):
    """What a release changes here: two trees that differ in nothing else, and remarks."""

    base: Tree
    change: Tree
    remarks: list[str]


def plan(old: Release, new: Release) -> Plan:
    """Decide, path by path, what the release changes in this project."""
    here, base, wanted = tree_of("HEAD"), tree_of(old.tag), tree_of(new.tag)
    check_unchanged(base, here, old)
    rooms = {path.split("/")[0] for path in here}
    gone = {room for path in base if (room := path.split("/")[0]) not in rooms}
    before, after, remarks = dict(here), dict(here), []
    for path in sorted(base.keys() | wanted.keys()):
        was, now, mine = base.get(path), wanted.get(path), here.get(path)
        if (
            was == now
            or (path.startswith(YOURS) and path not in FINDER)
            or (path == CHANGELOG and mine != was)
        ):
            continue
        if mine is None and (was or path.split("/")[0] in gone):
            remarks.append(f"stays deleted: {path}")
        elif now is None and mine != was:
            remarks.append(f"stays, though {new.version} deletes it: {path}")
        else:
            _put(before, path, was)
            _put(after, path, now)
    remarks += _merge_locks(old, new, before=before, after=after, here=here)
    found = [path for path in after.keys() - here.keys() if os.path.lexists(path)]
    if found:
        listed = "".join(f"  {path}\n" for path in sorted(found))
        raise Stopped(f"the release has files in the place of yours:\n{listed}Rename yours first")
    return Plan(before, after, remarks)


def _put(tree: Tree, path: str, entry: str | None) -> None:
    if entry is None:
        tree.pop(path, None)
    else:
        tree[path] = entry


def _merge_locks(old: Release, new: Release, *, before: Tree, after: Tree, here: Tree) -> list[str]:
    """Merge the lock by packages where both sides changed it; return what both changed."""
    texts = [text_of(revision, LOCK) for revision in (old.tag, "HEAD", new.tag)]
    if len(set(texts)) < 3 or not all(texts):
        return []
    try:
        merged, both = merge_lock(*(text or "" for text in texts))
    except (ValueError, AttributeError) as error:
        raise Stopped(f"{LOCK} cannot be read ({error}): run make lock and commit it") from None
    exported = (one for one in here if re.fullmatch(r"requirements[\w-]*\.txt", one))
    for path in (LOCK, *exported):  # the requirements files are written anew from the lock
        _put(before, path, here.get(path))
        _put(after, path, here.get(path))
    after[LOCK] = blob_of(merged)
    remedy = "the release's is taken; to keep yours, write it into Pipfile and run make lock"
    return [f"{LOCK}: {line}: {remedy}" for line in both]
