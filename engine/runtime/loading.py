"""Load a stored version: every file is checked, and the model opened."""

import importlib.metadata
import logging
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec

from engine.runtime.exact import ExactRuntime
from engine.runtime.exact_library import NoExactLibrary
from engine.runtime.native import NativeRuntime
from engine.runtime.onnx import OnnxRuntime
from engine.runtime.reference import FILE, Reference, parse_reference
from engine.runtime.runtimes import Runtime
from engine.runtime.trusted_types import load_pipeline
from engine.runtime.version import StoredVersion
from engine.schema.card import Card
from engine.schema.fields import Field
from engine.schema.record_schema import Schema
from persistence.checked_files import check_file, checked_file
from persistence.model_persistence import ModelStore
from persistence.store_errors import UntrustedArtifact

_log = logging.getLogger(__name__)

#: The file that is run, by runtime.
RUN_FILES = {"exact": "model.trees", "onnx": "model.onnx", "native": "model.skops"}

#: What brings the packages that a version needs, by its runtime.
_REQUIREMENTS = {
    "exact": "requirements-serve.txt", "onnx": "requirements-serve-onnx.txt",
    "native": "requirements.txt",
}  # fmt: skip


#: Packages of estimators besides scikit-learn, whose versions a card has where it needs them.
BOOSTERS = ("lightgbm", "xgboost")

_MODULES = {"scikit-learn": "sklearn"}


def open_version(folder: Path, card: Card) -> StoredVersion:
    """Open a version; raise UntrustedArtifact when a file is not as the card says or cannot run."""
    try:
        content = checked_file(folder, card, FILE) if FILE in card["files"] else b""
        return StoredVersion(card, _open_runtime(folder, card), content)
    except UntrustedArtifact:
        raise
    except ModuleNotFoundError as error:
        raise UntrustedArtifact(
            f"version {card['version']} of {card['model']} is {card['runtime']}, and {error.name} "
            f"is not installed: pip install -r {_REQUIREMENTS[card['runtime']]}"
        ) from error
    except Exception as error:  # a damaged model raises errors of any kind
        reason = " ".join(str(error).split())[:300] or repr(error)
        raise UntrustedArtifact(
            f"version {card['version']} of {card['model']} does not open here{_difference(card)}: "
            f"{reason}"
        ) from error


def open_pipeline(folder: Path, card: Card) -> Any:
    """Open the fitted pipeline of a version; raise UntrustedArtifact as `open_version`.

    Another minor version of the packages that fitted it is refused too.
    """
    content = checked_file(folder, card, "model.skops")
    for name in ("scikit-learn", *BOOSTERS):
        if name not in card["libraries"]:
            continue
        fitted, here = card["libraries"][name], import_module(_MODULES.get(name, name)).__version__
        if fitted.split(".")[:2] != here.split(".")[:2]:
            raise UntrustedArtifact(
                f"version {card['version']} was fitted with {name} {fitted}, here is {here}: "
                f"train it again, or install {name} {fitted}"
            )
    return load_pipeline(content, model=card["model"])


def _open_runtime(folder: Path, card: Card) -> Runtime:
    run = RUN_FILES[card["runtime"]]
    for name in card["files"]:
        if name not in (run, FILE):
            check_file(folder, card, name)
    fields = Schema.from_json(card["schema"]).inputs
    if card["runtime"] == "native":
        return NativeRuntime(open_pipeline(folder, card), fields)
    content, has_probabilities = checked_file(folder, card, run), bool(card["has_probabilities"])
    if card["runtime"] == "onnx":
        return OnnxRuntime(content, fields, has_probabilities=has_probabilities)
    try:
        return ExactRuntime(
            content, fields, has_probabilities=has_probabilities, classes=card["classes"]
        )
    except NoExactLibrary as absence:
        return _pipeline_instead(folder, card, fields, absence)


def _pipeline_instead(
    folder: Path, card: Card, fields: Sequence[Field], absence: NoExactLibrary
) -> NativeRuntime:
    """Run the fitted pipeline of an exact version, which gives the same answers more slowly."""
    who = f"version {card['version']} of {card['model']}"
    try:
        runtime = NativeRuntime(open_pipeline(folder, card), fields)
    except ModuleNotFoundError as error:
        raise UntrustedArtifact(
            f"{who} is exact, and {absence}; or install {error.name}, so that its pipeline "
            "serves, more slowly: pip install -r requirements.txt"
        ) from error
    _log.warning("%s is served by its pipeline, with the same answers but slower: %s", who, absence)
    return runtime


def _difference(card: Card) -> str:
    """Return a note where onnxruntime has another version than in training."""
    if card["runtime"] != "onnx":
        return ""
    trained_with = card.get("libraries", {}).get("onnxruntime")
    here = importlib.metadata.version("onnxruntime")
    if trained_with == here:
        return ""
    return (
        f" (onnxruntime is {here}, it was checked with {trained_with}: "
        "install that, or train again)"
    )


def as_card(stored: Mapping[str, Any]) -> Card:
    """Return a stored card with its type; raise UntrustedArtifact where it has another."""
    try:
        msgspec.convert(stored, Card)
        msgspec.convert(stored["classes"], list | None)
        Schema.from_json(stored["schema"])
    except Exception as error:
        whose = f"{stored.get('model')} {stored.get('version')}"
        raise UntrustedArtifact(
            f"the card of {whose} does not describe a model: {error!r}"
        ) from error
    return cast("Card", stored)


def read_reference(store: ModelStore, card: Card) -> Reference | None:
    """Return the reference of a version that is not opened; None where it has none."""
    with store.while_stored(card["model"], card["version"]):
        if FILE not in card["files"]:
            return None
        return parse_reference(checked_file(store.files(card), card, FILE))


def load_version(store: ModelStore, name: str, version: str | None = None) -> StoredVersion:
    """Load a version, by its identifier or name, by default the promoted one, ready to predict.

    Raise ModelNotFound or VersionNotFound when there is none, UntrustedArtifact as `open_version`.
    """
    version = store.identifier(name, version) if version else version
    return open_stored(store, as_card(store.read_card(name, version)))


def open_stored(store: ModelStore, card: Card) -> StoredVersion:
    """Open the version of a card, as `load_version` does."""
    with store.while_stored(card["model"], card["version"]):
        return open_version(store.files(card), card)


def check_version(
    store: ModelStore, name: str, version: str, *, is_unsigned_read: bool = False
) -> str | None:
    """Return why a version must not be promoted; raise VersionNotFound when there is none.

    None when every file is as the card says, it is signed where that is required (but for
    ``is_unsigned_read``), and the records with a known answer are answered as recorded.
    """
    try:
        with store.while_stored(name, version):
            card = store.read_card(name, version, is_unsigned_read=is_unsigned_read)
            open_version(store.files(card), as_card(card)).verify()
    except UntrustedArtifact as error:
        return str(error)
    return None


def sign_version(store: ModelStore, name: str, version: str) -> str | None:
    """Sign a version that was written without a key, or with another one.

    Return why it was not signed: the result of `check_version`, signatures left out. Raise
    VersionNotFound when there is none, CannotSign when the first key does not sign.
    """
    trouble = check_version(store, name, version, is_unsigned_read=True)
    if not trouble:
        store.write_signature(name, version)
    return trouble
