"""Train a model and store it as a new version.

For instance::

    python build_model.py credit
    python build_model.py credit --data applicants.csv --promote if-better
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from persistence.model_persistence import (
    ModelNotFound,
    ModelStore,
    PromotionConflict,
    StoreAway,
    UntrustedArtifact,
)
from persistence.signatures import CannotSign
from settings import InvalidSettings, Settings

if TYPE_CHECKING:
    from models.schema import ModelDefinition
    from training.train import Trained

#: One thread and one hash seed: the same data, code and lock give the same export.
PINNED = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

#: Seconds after which a step says that it is still at work.
PATIENCE = 10


def main(arguments: list[str] | None = None) -> int:
    """Run the command; give its exit status, 1 when nothing was stored."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
    except InvalidSettings as error:
        return _fail(error)
    name = options.model or settings.default_model
    store = ModelStore(
        settings.model_store, cache=settings.model_cache, signing_key=settings.signing_key
    )
    if options.if_absent:
        try:
            print(f"{name}: version {store.promoted(name)} is there")
        except (UntrustedArtifact, StoreAway) as error:
            return _fail(error)
        except ModelNotFound:
            pass
        else:
            return 0

    try:
        from models import UnknownModel
        from models.schema import InvalidDefinition
        from training.choice import UnfitPipeline
        from training.table import InvalidTable
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed: pip install -r requirements.txt")

    sentences = (
        UnknownModel, InvalidDefinition, InvalidTable, UnfitPipeline, UntrustedArtifact,
        PromotionConflict,
    )  # fmt: skip
    try:
        if store.keys:
            store.keys.sign(b"")  # that it cannot is said before the training, not after it
        build(store, name, data=options.data, promote=options.promote)
    except (*sentences, CannotSign, OSError) as error:
        return _fail(error)
    return 0


def build(store: ModelStore, name: str, *, data: Path | None, promote: str) -> str:
    """Train a model, store the version and promote it as asked.

    Parameters
    ----------
    data : Path or None
        The table; None for the definition's sample.
    promote : {"always", "if-better", "never"}
        ``if-better`` promotes a version that scores higher than the promoted
        one on the same held-out rows.

    Returns
    -------
    str
        The version.
    """
    from models import find
    from training.train import train

    definition = find(name)
    source = data or definition.sample
    if not source.is_file():
        raise FileNotFoundError(f"there is no data file {source}: name one with --data")
    print(f"{name}: training on {source}", flush=True)
    trained = train(name, definition, source, step=step)
    with step("store") as say:
        version = store.write(trained.card, trained.files)
        say(f"version {version} in {store.place}/{name}/{version}")
    with step("promote") as say:
        reason = _refusal(store, definition, trained, promote=promote)
        if reason is None:
            store.promote(name, version)
        say(reason or f"{version} is served by default")
    return version


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Print one step of a run: its findings, or that it goes on."""
    began = time.monotonic()
    is_done = threading.Event()

    def say(text: str) -> None:
        taken = f"{time.monotonic() - began:5.1f} s"
        for line in text.splitlines():
            print(f"  {title:<12} {taken}  {line}", flush=True)

    def reassure() -> None:
        while not is_done.wait(PATIENCE):
            say("still at work")

    thread = threading.Thread(target=reassure, daemon=True)
    thread.start()
    try:
        yield say
    finally:
        is_done.set()
        thread.join()


def _refusal(
    store: ModelStore, definition: "ModelDefinition", trained: "Trained", *, promote: str
) -> str | None:
    """Say why the new version is not promoted; None when it is."""
    from training.comparison import Incomparable, score_version
    from training.scores import SCORES

    name, score = trained.card["model"], definition.score
    if promote == "never":
        return "not promoted, as asked"
    if promote == "always" or name not in store.names():
        return None
    ours = trained.card["scores"][score]["value"]
    try:
        current = store.read(name)
        theirs = score_version(current, score, trained.held_out)
    except (Incomparable, UntrustedArtifact) as error:
        return f"not promoted: {store.promoted(name)} cannot be compared on these rows: {error}"
    if ours > theirs if SCORES[score].is_better_higher else ours < theirs:
        return None
    return f"not promoted: {score} {ours:.4f} is no better than {current.version}'s {theirs:.4f}"


def _fail(reason: object) -> int:
    print(f"build_model: {reason}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train a model and store it as a new version.",
    )
    parser.add_argument("model", nargs="?", help="a file in models/, by default DEFAULT_MODEL")
    parser.add_argument("--data", type=Path, help="the table; by default the model's sample")
    parser.add_argument(
        "--promote",
        choices=("always", "if-better", "never"),
        default="always",
        help="whether the new version is served by default (always)",
    )
    parser.add_argument(
        "--if-absent", action="store_true", help="do nothing when a version is promoted"
    )
    return parser


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in PINNED.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PINNED})  # noqa: S606
    sys.exit(main())
