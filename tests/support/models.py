"""The models of the tests, each trained once per run, whatever the number of workers."""

import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from build_model import build
from engine.schema.definition import ModelDefinition
from engine.training.finish import Trained
from engine.training.train import train
from persistence.model_persistence import ModelStore
from tests.support.fixture_cache import FixtureCache
from tests.support.project import ROOT
from tests.support.toys import coin, parcel, rent

TOYS = {"parcel": parcel.definition, "rent": rent.definition, "coin": coin.definition}


#: A good record of each.
EXAMPLES: dict[str, dict[str, Any]] = {
    name: definition.schema.example() for name, definition in TOYS.items()
}


#: When the toys say that they were trained.
TRAINED_AT = "2020-01-02T03:04:05+00:00"


def unstored(card: Mapping[str, Any]) -> dict[str, Any]:
    """Give a card as it was before the store added what it adds."""
    added = ("format", "files", "digest", "version")
    return {key: value for key, value in card.items() if key not in added}


def make_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[ModelStore], object]
) -> ModelStore:
    """Fill a store once per run: the first worker makes it, the others wait for it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    done = base / f"{name}.done"
    store = ModelStore(base / name)
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(store)
            done.touch()
    return store


def train_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[ModelStore], object],
    *sources: Path,
) -> ModelStore:  # fmt: skip
    """Fill a store once, and again when the code or one of the sources changes."""

    def fill(store: ModelStore) -> None:
        kept = FixtureCache(ROOT / ".fixtures")
        kept.fill(store.root, name, lambda folder: make(ModelStore(folder)), sources)

    return make_once(factory, name, fill)


def in_silence(title: str) -> AbstractContextManager[Callable[[str], None]]:
    """Open a step of a training that tells nobody."""
    return nullcontext(lambda text: None)


def build_credit(store: ModelStore, data: Path | None) -> None:
    """Train the credit model as the command does."""
    build(store, "credit", data=data, promote="always")


def train_toy(name: str, definition: ModelDefinition) -> Trained:
    """Train a toy."""
    return train(name, definition, definition.sample, step=in_silence)


def build_toys(store: ModelStore) -> None:
    """Train the toys."""
    for name, definition in TOYS.items():
        trained = train_toy(name, definition)
        card = {**trained.card, "created_at": TRAINED_AT}
        store.promote(name, store.write(card, trained.files))


def build_younger_parcel(store: ModelStore) -> None:
    """Train a parcel that is a year younger than the toys and has fewer trees."""

    def build_pipeline() -> Any:
        return parcel.build_pipeline().set_params(forest__n_estimators=2)

    trained = train_toy("parcel", replace(parcel.definition, build_pipeline=build_pipeline, seed=3))
    store.write({**trained.card, "created_at": "2021-01-02T03:04:05+00:00"}, trained.files)
