"""Trained versions in a folder or a bucket: write, read, list, promote.

    <root>/<model>/promoted.json            which version is served by default, and those before
    <root>/<model>/<version>/card.json      what the version is
    <root>/<model>/<version>/card.sig       who vouches for that, where a key is set
    <root>/<model>/<version>/model.onnx     the exported model, if there is one
    <root>/<model>/<version>/model.skops    the fitted pipeline
    <root>/<model>/<version>/report.html    how it was trained

A version exists whole or not at all and never changes. Every file's size and
digest stand in the card: they are checked before any byte reaches a deserialiser.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from models import NAME
from persistence.bucket import SCHEMES, StoreAway
from persistence.cached_bucket import CachedBucket
from persistence.cards import card_text, full_card
from persistence.folder import VERSION, Folder, VersionExists
from persistence.opening import open_card, open_pipeline, open_version
from persistence.pointers import ModelNotFound, Pointers
from persistence.promotions import PromotionConflict, promoted_in
from persistence.removal import removed_in
from persistence.signatures import SIGNATURE, SigningKeys
from persistence.trusted_types import UntrustedArtifact
from persistence.version import StoredVersion

__all__ = [
    "ModelNotFound",
    "ModelStore",
    "PromotionConflict",
    "StoreAway",
    "UntrustedArtifact",
    "VersionExists",
    "VersionNotFound",
]


class VersionNotFound(LookupError):
    """The model has no such version."""


class ModelStore(Pointers):
    """The versions in one place. Where it is a bucket that is away, methods raise StoreAway.

    Parameters
    ----------
    place : Path or str
        A folder, which need not exist, or the address of a bucket, as
        ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``.
    cache : Path
        The folder that keeps what was read from a bucket.
    signing_key : str
        Keys as in `SigningKeys`: what is written is signed, and what is not
        signed is refused. Empty: neither.

    Attributes
    ----------
    place : Folder or CachedBucket
        Where the versions are; as text, its folder or address.
    root : Path
        The folder, or that of the cache, which is laid out in the same way.
    """

    def __init__(
        self, place: Path | str, *, cache: Path = Path(".model-cache"), signing_key: str = ""
    ) -> None:
        scheme, is_address, _ = str(place).partition("://")
        self.place: Folder | CachedBucket
        if isinstance(place, str) and is_address:
            if scheme not in SCHEMES:
                raise ValueError(f"{place!r} is no store: give a folder, or s3://, gs:// or az://")
            self.place = CachedBucket(place, cache)
        else:
            self.place = Folder(Path(place))
        self.root = self.place.root
        self.keys = SigningKeys(signing_key) if signing_key else None

    def ask_apart(self, is_apart: bool) -> None:  # noqa: FBT001
        """Ask a bucket in processes apart, as a process must that forks, or from here.

        What asks starts threads, which would not survive the fork.
        """
        if isinstance(self.place, CachedBucket):
            self.place.asks_apart = is_apart

    def names(self) -> list[str]:
        """List the models that have a promoted version."""
        return self.place.names()

    def stored_names(self) -> list[str]:
        """List the models that have a version, promoted or not."""
        return self.place.stored_names()

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first; empty when there are none."""
        return self.place.versions(name) if NAME.fullmatch(name) else []

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
        VersionNotFound
            When there is no such version.
        PromotionConflict
            When another than the expected version is promoted.
        """
        self._look_up(name, version)
        how = partial(promoted_in, version=version, is_rollback=is_rollback, expected=expected)
        self.change(name, how)

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
        with self._stored(name, version):
            return self._card(name, version, self.keys)

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
        with self._stored(name, card["version"]):
            return open_version(self.place.bring(card), card)

    def read_to_serve(self, name: str, version: str) -> StoredVersion:
        """Read a version, and see that it answers as recorded.

        Raises
        ------
        VersionNotFound
            When there is none.
        UntrustedArtifact
            With the reason, when `read` refuses it or an answer differs.
        """
        found = self.read(name, version)
        found.verify()
        return found

    def check(self, name: str, version: str) -> str | None:
        """See that a version may be promoted.

        Returns
        -------
        str or None
            Why not; None when every file is as the card says and the records
            with a known answer are answered as recorded.

        Raises
        ------
        VersionNotFound
            When there is none.
        """
        return self._trouble(name, version, self.keys)

    def read_pipeline(self, name: str, version: str | None = None) -> Any:
        """Read the fitted scikit-learn pipeline of a version.

        Raises
        ------
        ModelNotFound, VersionNotFound, UntrustedArtifact
            As `read`.
        """
        card = self.read_card(name, version)
        return open_pipeline(self.place.bring(card), card)

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
        trouble = self._trouble(name, version, None)
        if self.keys and not trouble:
            content = card_text(self._card(name, version, None))
            self.place.sign(name, version, self.keys.sign(content))
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

        Raises VersionExists when there is one of that name.
        """
        if not NAME.fullmatch(card["model"]):
            raise ValueError(f"{card['model']!r} cannot be a model's name")
        full = full_card(card, files)
        version = str(full["version"])
        text = card_text(full)
        signed = {SIGNATURE: self.keys.sign(text)} if self.keys else {}
        self.place.publish(card["model"], version, {**files, **signed, "card.json": text})
        return version

    def remove(self, name: str, version: str) -> None:
        """Remove a version, whole or not at all.

        Raises
        ------
        VersionNotFound
            When there is none.
        VersionInUse
            While it is promoted, tried, pinned, or what a rollback leads to.
        """
        self._look_up(name, version)
        versions = self.versions(name)
        self.change(name, lambda known: removed_in(known, version, versions))
        self.place.remove(name, version)

    def sweep(self, name: str) -> None:
        """Delete what writers and removals that were killed have left of a stored model."""
        if self.versions(name):
            self.place.sweep(name)

    def _card(self, name: str, version: str, keys: SigningKeys | None) -> dict[str, Any]:
        read = partial(open_card, name=name, version=version, keys=keys)
        try:
            return self.place.read_card(name, version, read)
        except FileNotFoundError:  # in the pointer, not in the bucket
            raise VersionNotFound(f"model {name!r} has no version {version!r}") from None

    def _trouble(self, name: str, version: str, keys: SigningKeys | None) -> str | None:
        try:
            with self._stored(name, version):
                card = self._card(name, version, keys)
                open_version(self.place.bring(card), card).verify()
        except UntrustedArtifact as error:
            return str(error)
        return None

    @contextmanager
    def _stored(self, name: str, version: str) -> Iterator[None]:
        """See that a version is stored; a refusal counts only if it still is afterwards."""
        self._look_up(name, version)
        try:
            yield
        except UntrustedArtifact:
            self._look_up(name, version)
            raise

    def _look_up(self, name: str, version: str) -> None:
        if not (NAME.fullmatch(name) and VERSION.fullmatch(version)) or not self.place.has(
            name, version
        ):
            raise VersionNotFound(f"model {name!r} has no version {version!r}")
