"""Trained versions on disk: write, read, list, promote.

    <root>/<model>/promoted.json            which version is served by default, and those before
    <root>/<model>/<version>/card.json      what the version is
    <root>/<model>/<version>/model.onnx     the exported model, if there is one
    <root>/<model>/<version>/model.skops    the fitted pipeline
    <root>/<model>/<version>/report.html    how it was trained

A version exists whole or not at all and never changes. Every file's size and
digest stand in the card, and the card's own digest in the card: they are
checked before any byte reaches a deserialiser.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from models import NAME
from models.fields import Field
from models.schema import Schema
from persistence.cards import (
    FORMAT,
    card_digest,
    card_text,
    checked_card,
    checked_file,
    fingerprint,
)
from persistence.promotions import (
    DAMAGED,
    Pointer,
    change_pointer,
    promoted_in,
    read_pointer,
)
from persistence.removal import removed_in
from persistence.runtime import NativeRuntime, OnnxRuntime, Runtime
from persistence.trusted_types import UntrustedArtifact, load_pipeline
from persistence.version import StoredVersion
from persistence.whole_files import remove_folder, sweep, sync_folder, write_file

__all__ = ["ModelNotFound", "ModelStore", "UntrustedArtifact", "VersionNotFound"]

VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{5}")


class ModelNotFound(LookupError):
    """No version of such a model is stored, or none is promoted."""


class VersionNotFound(LookupError):
    """The model has no such version."""


class ModelStore:
    """The versions under one folder.

    Parameters
    ----------
    root : Path
        Need not exist: it is made by the first `write`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """List the models that have a promoted version."""
        found = (path.parent.name for path in self.root.glob("*/promoted.json"))
        return sorted(name for name in found if NAME.fullmatch(name))

    def stored_names(self) -> list[str]:
        """List the models that have a version, promoted or not."""
        found = {path.parent.parent.name for path in self.root.glob("*/*/card.json")}
        return sorted(name for name in found if self.versions(name))

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first; empty when there are none."""
        if not NAME.fullmatch(name):
            return []
        found = (path.parent.name for path in (self.root / name).glob("*/card.json"))
        return sorted(version for version in found if VERSION.fullmatch(version))

    def promoted(self, name: str) -> str:
        """Name the version that is served by default.

        Raises
        ------
        ModelNotFound
            When the model has no promoted version.
        UntrustedArtifact
            When the file that names it is damaged.
        """
        return self.pointer(name).version

    def pointer(self, name: str) -> Pointer:
        """Read what is said of a model, as `promoted`: promotions, candidate, pinned versions."""
        if not NAME.fullmatch(name) or not (self.root / name / "promoted.json").exists():
            raise ModelNotFound(
                f"there is no promoted version of model {name!r}: "
                f"train one with `python build_model.py {name}`"
            )
        try:
            return read_pointer(self.root / name)
        except (OSError, *DAMAGED) as error:
            raise UntrustedArtifact(
                f"promoted.json of model {name!r} is damaged: promote a version, or train again"
            ) from error

    def change(self, name: str, change: Callable[[Pointer | None], Pointer]) -> None:
        """Replace a model's pointer by what is made of it; nobody else does so meanwhile.

        `change` is given None where there is none or it is damaged, and asked
        again when another was faster.
        """
        change_pointer(self.root / name, change)

    def promote(
        self, name: str, version: str, *, is_rollback: bool = False, expected: str | None = None
    ) -> None:
        """Make a version the one that is served by default, and remember when.

        Parameters
        ----------
        expected : str or None
            What must be promoted until now; empty: nothing; None: whatever it is.

        Raises
        ------
        VersionNotFound, PromotionConflict
            When there is no such version; when another is promoted than expected.
        """
        self._folder(name, version)
        how = partial(promoted_in, version=version, is_rollback=is_rollback, expected=expected)
        self.change(name, how)

    def remove(self, name: str, version: str) -> None:
        """Remove a version; VersionNotFound without one, VersionInUse while it is needed."""
        folder, versions = self._folder(name, version), self.versions(name)
        self.change(name, lambda known: removed_in(known, version, versions))
        remove_folder(folder)

    def sweep(self, name: str) -> None:
        """Delete what writers and removals that were killed have left of a stored model."""
        if self.versions(name):
            sweep(self.root / name)

    def read_card(self, name: str, version: str | None = None) -> dict[str, Any]:
        """Read and check the card of a version, by default the promoted one.

        Raises
        ------
        ModelNotFound, VersionNotFound
            When there is none.
        UntrustedArtifact
            When the card is damaged or of a newer format.
        """
        version = self.promoted(name) if version is None else version
        folder = self._folder(name, version)
        try:
            content = (folder / "card.json").read_bytes()
        except OSError as error:
            raise UntrustedArtifact(
                f"the card of {name} {version} cannot be read: {error}"
            ) from error
        return checked_card(content, name, version)

    def read(self, name: str, version: str | None = None) -> StoredVersion:
        """Read a version, by default the promoted one, ready to predict.

        Raises
        ------
        ModelNotFound, VersionNotFound
            When there is none.
        UntrustedArtifact
            When a file differs from the card, holds a type that is not
            trusted, or was fitted with another scikit-learn.
        """
        card = self.read_card(name, version)
        folder = self._folder(name, card["version"])
        fields = Schema.from_json(card["schema"]).fields
        return StoredVersion(card, _load_runtime(folder, card, fields))

    def check(self, name: str, version: str) -> str | None:
        """See that a version may be promoted.

        Returns
        -------
        str or None
            Why not; None when every file is as the card says and the worked
            example is answered as recorded.

        Raises
        ------
        VersionNotFound
            When there is none.
        """
        folder = self._folder(name, version)
        try:
            card = self.read_card(name, version)
            for one in card["files"]:
                checked_file(folder, card, one)
            return self.read(name, version).self_test()
        except Exception as error:  # noqa: BLE001  a damaged model raises whatever it likes
            return str(error) or repr(error)

    def read_pipeline(self, name: str, version: str | None = None) -> Any:
        """Read the fitted scikit-learn pipeline of a version.

        Raises
        ------
        ModelNotFound, VersionNotFound, UntrustedArtifact
            As `read`.
        """
        card = self.read_card(name, version)
        return _load_pipeline(self._folder(name, card["version"]), card)

    def write(self, card: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
        """Store a version, whole or not at all.

        Parameters
        ----------
        card : mapping
            Everything but what this adds: format, version, file digests and
            the card's own digest. ``created_at`` is the training time, ISO
            8601 with its zone.
        files : mapping of str to bytes
            File name to content.

        Returns
        -------
        str
            The version: UTC time and the beginning of the card's digest.
        """
        if not NAME.fullmatch(card["model"]):
            raise ValueError(f"{card['model']!r} cannot be a model's name")
        full = {
            **card,
            "format": FORMAT,
            "files": {name: fingerprint(content) for name, content in files.items()},
        }
        full["digest"] = card_digest(full)
        at = datetime.fromisoformat(card["created_at"]).astimezone(UTC)
        version = f"{at:%Y%m%dT%H%M%SZ}-{full['digest'][:5]}"
        full["version"] = version
        home = self.root / card["model"]
        home.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=home))
        try:
            draft.chmod(0o755)
            for name, content in {**files, "card.json": card_text(full)}.items():
                write_file(draft / name, content)
            sync_folder(draft)
            draft.rename(home / version)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(home)
        return version

    def _folder(self, name: str, version: str) -> Path:
        # Looked up among what is there, never joined from what was asked.
        if version not in self.versions(name):
            raise VersionNotFound(f"model {name!r} has no version {version!r}")
        return self.root / name / version


def _load_runtime(folder: Path, card: Mapping[str, Any], fields: tuple[Field, ...]) -> Runtime:
    if card["runtime"] == "onnx":
        content = checked_file(folder, card, "model.onnx")
        has_probabilities = bool(card["has_probabilities"])
        return OnnxRuntime(content, fields, has_probabilities=has_probabilities)
    try:
        pipeline = _load_pipeline(folder, card)
    except ModuleNotFoundError as error:
        raise UntrustedArtifact(
            f"version {card['version']} of {card['model']} is native, so it needs scikit-learn, "
            f"and {error.name} is not installed: pip install -r requirements.txt"
        ) from error
    return NativeRuntime(pipeline, fields)


def _load_pipeline(folder: Path, card: Mapping[str, Any]) -> Any:
    content = checked_file(folder, card, "model.skops")
    import sklearn

    fitted, here = card["libraries"]["scikit-learn"], sklearn.__version__
    if fitted.split(".")[:2] != here.split(".")[:2]:
        raise UntrustedArtifact(
            f"version {card['version']} was fitted with scikit-learn {fitted}, here is {here}: "
            f"train it again, or install scikit-learn {fitted}"
        )
    return load_pipeline(content, model=card["model"])
