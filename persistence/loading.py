"""A version's files become something that runs, once they are checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.fields import Field
from persistence.cards import checked_file
from persistence.runtime import NativeRuntime, OnnxRuntime, Runtime
from persistence.trusted_types import UntrustedArtifact, load_pipeline


def load_runtime(folder: Path, card: Mapping[str, Any], fields: tuple[Field, ...]) -> Runtime:
    """Load what runs a version.

    Raises
    ------
    UntrustedArtifact
        When a file differs from the card, holds a type that is not trusted, or
        was fitted with another scikit-learn.
    """
    if card["runtime"] == "onnx":
        content = checked_file(folder, card, "model.onnx")
        has_probabilities = bool(card["has_probabilities"])
        return OnnxRuntime(content, fields, has_probabilities=has_probabilities)
    try:
        pipeline = read_pipeline(folder, card)
    except ModuleNotFoundError as error:
        raise UntrustedArtifact(
            f"version {card['version']} of {card['model']} is native, so it needs scikit-learn, "
            f"and {error.name} is not installed: pip install -r requirements.txt"
        ) from error
    return NativeRuntime(pipeline, fields)


def read_pipeline(folder: Path, card: Mapping[str, Any]) -> Any:
    """Read the fitted scikit-learn pipeline of a version.

    Raises
    ------
    UntrustedArtifact
        As `load_runtime`.
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
