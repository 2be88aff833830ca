"""A trainer that publishes and promotes when told: ``python -m tests.attacks.store_races CACHE``.

It reads a line for each task, the place first, and answers in a line.
"""

import sys
from functools import cache
from pathlib import Path

from persistence.model_persistence import ModelStore
from persistence.place import VersionExists
from persistence.promotions import PromotionConflict
from tests.support.stores import card_of

#: The files of a version: small, for there are many.
FILES = {"model.onnx": b"graph" * 100, "report.html": b"<p>report</p>"}


@cache
def store_at(place: str, kept: str) -> ModelStore:
    """Give a store, the same for the same place."""
    return ModelStore(place if "://" in place else Path(place), cache=Path(kept))


def answer(store: ModelStore, task: str, what: str) -> str:
    """Publish a version with a title, promote a version, or name it as a word before it says."""
    if task == "name":
        version_name, _, version = what.partition(" ")
        try:
            store.give_name("toy", version, version_name)
        except PromotionConflict as error:
            return f"taken: {error}"
        return version
    if task == "promote":
        store.promote("toy", what)
        return "promoted"
    try:
        return store.write(card_of(what), FILES)
    except VersionExists as error:
        return f"exists: {error}"


def main(kept: str) -> None:
    """Do what is told until there is no more."""
    for line in sys.stdin:
        place, task, what = line.rstrip("\n").split(" ", 2)
        print(answer(store_at(place, kept), task, what), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
