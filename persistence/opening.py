"""A stored version's card and files, all of them checked, and what is run, opened."""

import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.schema import Schema
from persistence.cards import check_file, checked_card, checked_file, read_file
from persistence.runtime import NativeRuntime, OnnxRuntime, Runtime
from persistence.signatures import SIGNATURE, SigningKeys
from persistence.trusted_types import UntrustedArtifact, load_pipeline
from persistence.version import StoredVersion

#: A card has 3 to 50 kB, and its signature 200 bytes: nothing larger is read.
MOST_CARD_BYTES, MOST_SIGNATURE_BYTES = 2**24, 2**12


def open_card(folder: Path, name: str, version: str, *, keys: SigningKeys | None) -> dict[str, Any]:
    """Read the card of a version, once its signature is seen to be right.

    Parameters
    ----------
    keys : SigningKeys or None
        None where signatures are not asked for.

    Raises
    ------
    UntrustedArtifact
        When the card is not signed with one of the keys, or `checked_card`
        refuses it.
    """
    content = _read(folder / "card.json", MOST_CARD_BYTES, f"the card of {name} {version}")
    if keys:
        of = f"the signature of {name} {version}"
        is_signed = os.path.lexists(folder / SIGNATURE)
        signature = _read(folder / SIGNATURE, MOST_SIGNATURE_BYTES, of) if is_signed else None
        keys.verify(content, signature, name=name, version=version)
    return checked_card(content, name, version)


def open_version(folder: Path, card: Mapping[str, Any]) -> StoredVersion:
    """Open a version, once every file of it is as the card says.

    Raises
    ------
    UntrustedArtifact
        When one is not, or the model cannot be run here.
    """
    try:
        return StoredVersion(card, _open_runtime(folder, card))
    except UntrustedArtifact:
        raise
    except ModuleNotFoundError as error:
        raise UntrustedArtifact(
            f"version {card['version']} of {card['model']} is {card['runtime']}, and {error.name} "
            "is not installed: pip install -r requirements.txt"
        ) from error
    except Exception as error:  # a model that is not right raises whatever it likes
        reason = " ".join(str(error).split())[:300] or repr(error)
        raise UntrustedArtifact(
            f"version {card['version']} of {card['model']} does not open here{_difference(card)}: "
            f"{reason}"
        ) from error


def open_pipeline(folder: Path, card: Mapping[str, Any]) -> Any:
    """Open the fitted pipeline of a version.

    Raises
    ------
    UntrustedArtifact
        When its file is not as the card says, holds a type that is not
        trusted, or was written with another minor version of scikit-learn.
    """
    content = checked_file(folder, card, "model.skops")
    import sklearn

    fitted, here = card["libraries"]["scikit-learn"], sklearn.__version__
    if fitted.split(".")[:2] != here.split(".")[:2]:
        raise UntrustedArtifact(
            f"version {card['version']} was fitted with scikit-learn {fitted}, here is {here}: "
            f"train it again, or install scikit-learn {fitted}"
        )
    return load_pipeline(content, model=card["model"])


def _read(path: Path, most: int, what: str) -> bytes:
    try:
        return read_file(path, most)
    except OSError as error:
        raise UntrustedArtifact(f"{what} cannot be read: {error.strerror}") from error


def _open_runtime(folder: Path, card: Mapping[str, Any]) -> Runtime:
    is_exported = card["runtime"] == "onnx"
    run = "model.onnx" if is_exported else "model.skops"
    for name in card["files"]:
        if name != run:
            check_file(folder, card, name)
    if not is_exported:
        return NativeRuntime(open_pipeline(folder, card), Schema.from_json(card["schema"]).fields)
    content = checked_file(folder, card, run)
    fields = Schema.from_json(card["schema"]).fields
    return OnnxRuntime(content, fields, has_probabilities=bool(card["has_probabilities"]))


def _difference(card: Mapping[str, Any]) -> str:
    """Say that another onnxruntime is here than in training, where it is so."""
    there = card.get("libraries", {}).get("onnxruntime")
    here = importlib.metadata.version("onnxruntime")
    if card.get("runtime") != "onnx" or there == here:
        return ""
    return f" (onnxruntime is {here}, it was checked with {there}: install that, or train again)"
