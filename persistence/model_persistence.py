"""Trained versions on disk: write, read, list, promote.

    <root>/<model>/promoted.json            which version is served by default, and those before
    <root>/<model>/<version>/card.json      what the version is
    <root>/<model>/<version>/card.sig       its signature, if there is a key
    <root>/<model>/<version>/model.onnx     the exported model, if there is one
    <root>/<model>/<version>/model.skops    the fitted pipeline
    <root>/<model>/<version>/report.html    how it was trained

A version exists whole or not at all and never changes. Every file's size and
digest stand in the card: they are checked before any byte reaches a deserialiser.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models import NAME
from persistence.cards import (
    FORMAT,
    card_digest,
    card_text,
    fingerprint,
)
from persistence.opening import open_card, open_pipeline, open_version
from persistence.promotions import (
    DAMAGED,
    Pointer,
    Promotion,
    change_pointer,
    now,
    read_pointer,
)
from persistence.signatures import SIGNATURE, SigningKeys
from persistence.trusted_types import UntrustedArtifact
from persistence.version import StoredVersion
from persistence.whole_files import replace_file, sync_folder, write_file

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
    signing_key : str
        Keys as in `SigningKeys`: what is written is signed, and what is not
        signed is refused. Empty: neither.
    """

    def __init__(self, root: Path, *, signing_key: str = "") -> None:
        self.root = root
        self.keys = SigningKeys(signing_key) if signing_key else None

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
        """Read what is said of a model: promotions, candidate, pinned versions.

        Raises
        ------
        ModelNotFound, UntrustedArtifact
            As `promoted`.
        """
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

        Parameters
        ----------
        change : callable
            Given the pointer, or None where there is none or it is damaged.
            Asked again when another was faster.

        Raises
        ------
        ModelNotFound
            When there can be no such model.
        """
        if not NAME.fullmatch(name):
            raise ModelNotFound(f"{name!r} cannot be a model's name")
        change_pointer(self.root / name, change)

    def promote(self, name: str, version: str, *, is_rollback: bool = False) -> None:
        """Make a version the one that is served by default, and remember when.

        Raises
        ------
        VersionNotFound
            When there is no such version.
        """
        self._folder(name, version)

        def change(known: Pointer | None) -> Pointer:
            if known is None:
                return Pointer((Promotion(version, now(), is_rollback),))
            return known.promote(version, is_rollback=is_rollback)

        self.change(name, change)

    def read_card(self, name: str, version: str | None = None) -> dict[str, Any]:
        """Read and check the card of a version, by default the promoted one.

        Raises
        ------
        ModelNotFound, VersionNotFound
            When there is none.
        UntrustedArtifact
            When the card is damaged, of a newer format, or not signed.
        """
        version = self.promoted(name) if version is None else version
        return open_card(self._folder(name, version), name, version, keys=self.keys)

    def read(self, name: str, version: str | None = None) -> StoredVersion:
        """Read a version, by default the promoted one, ready to predict.

        Raises
        ------
        ModelNotFound, VersionNotFound
            When there is none.
        UntrustedArtifact
            When a file differs from the card, holds what is not trusted, or
            does not open with the libraries that are here.
        """
        card = self.read_card(name, version)
        return open_version(self._folder(name, card["version"]), card)

    def read_to_serve(self, name: str, version: str) -> StoredVersion:
        """Read a version that answers its worked example and golden rows as recorded.

        Raises
        ------
        ModelNotFound, VersionNotFound, UntrustedArtifact
            As `read`; `UntrustedArtifact` too when it answers otherwise.
        """
        found = self.read(name, version)
        try:
            trouble = found.self_test()
        except Exception as error:  # noqa: BLE001  a damaged model raises whatever it likes
            trouble = str(error) or repr(error)
        if trouble:
            raise UntrustedArtifact(f"version {version} of {name}: {trouble}")
        return found

    def check(self, name: str, version: str) -> str | None:
        """See that a version may be promoted.

        Returns
        -------
        str or None
            Why not; None when every file is as the card says, and the worked
            example and the golden rows are answered as recorded.

        Raises
        ------
        VersionNotFound
            When there is none.
        """
        try:
            self.read_to_serve(name, version)
        except UntrustedArtifact as error:
            return str(error)
        return None

    def read_pipeline(self, name: str, version: str | None = None) -> Any:
        """Read the fitted scikit-learn pipeline of a version.

        Raises
        ------
        ModelNotFound, VersionNotFound, UntrustedArtifact
            As `read`.
        """
        card = self.read_card(name, version)
        return open_pipeline(self._folder(name, card["version"]), card)

    def sign(self, name: str, version: str) -> str | None:
        """Sign a version that was written without a key, or with another.

        Returns
        -------
        str or None
            Why not: what `check` says of it, its signature left out.

        Raises
        ------
        VersionNotFound, CannotSign
            When there is none; when the first key does not sign.
        """
        unsigned = ModelStore(self.root)
        trouble = unsigned.check(name, version)
        if self.keys and not trouble:
            content = card_text(unsigned.read_card(name, version))
            replace_file(self._folder(name, version) / SIGNATURE, self.keys.sign(content))
        return trouble

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
        text = card_text(full)
        signed = {SIGNATURE: self.keys.sign(text)} if self.keys else {}
        home = self.root / card["model"]
        home.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=home))
        try:
            draft.chmod(0o755)
            for name, content in {**files, **signed, "card.json": text}.items():
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
