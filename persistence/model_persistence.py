"""Trained versions in a folder or a bucket: write, read, list, promote.

    <root>/<model>/promoted.json            which version is served by default, and those before
    <root>/<model>/<version>/card.json      what the version is
    <root>/<model>/<version>/card.sig       the card's signature, where a key is set
    <root>/<model>/<version>/model.onnx     the exported model, if there is one
    <root>/<model>/<version>/model.skops    the fitted pipeline
    <root>/<model>/<version>/reference.json what the rows looked like that it learnt from
    <root>/<model>/<version>/report.html    how it was trained

A version exists whole or not at all and never changes. Every file's size and
digest stand in the card: they are checked before any byte reaches a deserialiser.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from persistence.bucket.cache import CachedBucket
from persistence.bucket.client import SCHEMES
from persistence.card_file import card_text, full_card, open_card
from persistence.checked_files import checked_file
from persistence.folder import Folder
from persistence.names import NAME, VERSION, VERSION_NAME
from persistence.place import Change, Place
from persistence.promotions import (
    DAMAGED,
    Pointer,
    PromotionConflict,
    named_in,
    promoted_in,
    removed_in,
)
from persistence.signatures import SIGNATURE, SigningKeys
from persistence.store_errors import ModelNotFound, StoreError, UntrustedArtifact, VersionNotFound

#: What opens an address, by its scheme.
PLACES = dict.fromkeys(SCHEMES, CachedBucket)


def place_of(address: Path | str, cache: Path) -> Place:
    """Return the place that a folder or an address names."""
    scheme, is_address, _ = str(address).partition("://")
    if not (isinstance(address, str) and is_address):
        return Folder(Path(address))
    if scheme not in PLACES:
        raise ValueError(f"{address!r} is not a store: give a folder, or s3://, gs:// or az://")
    return PLACES[scheme](address, cache)


class ModelStore:
    """The versions in one place. Methods raise StoreUnavailable while a bucket is unavailable.

    Parameters
    ----------
    place : Path or str
        A folder, which need not exist, or the address of a bucket, as
        ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``.
    cache : Path
        The folder for copies of what was read from a bucket.
    signing_key : str
        As `SigningKeys`: what is written is signed, and what is not signed is
        refused. Empty: neither.
    """

    def __init__(
        self, place: Path | str, *, cache: Path = Path(".model-cache"), signing_key: str = ""
    ) -> None:
        self.place = place_of(place, cache)
        self.root = self.place.root  # of a bucket: in the cache, which is laid out in the same way
        self.ask_apart = self.place.ask_apart
        self.keys = SigningKeys(signing_key) if signing_key else None

    def names(self) -> list[str]:
        """List the models that have a promoted version."""
        return self.place.names()

    def stored_names(self) -> list[str]:
        """List the models that have a version, promoted or not."""
        return self.place.stored_names()

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first; empty when there are none."""
        return self.place.versions(name) if NAME.fullmatch(name) else []

    def promoted(self, name: str) -> str:
        """Return the version that is served by default; raise ModelNotFound without one."""
        return self.pointer(name).version

    def pointer(self, name: str) -> Pointer:
        """Read a model's promotions, candidate and pinned versions.

        Raise ModelNotFound where there is none, UntrustedArtifact where it is damaged.
        """
        try:
            if not NAME.fullmatch(name):
                raise FileNotFoundError(name)
            return self.place.pointer(name)
        except FileNotFoundError:
            raise ModelNotFound(
                f"there is no promoted version of model {name!r}: "
                f"train one with `python build_model.py {name}`"
            ) from None
        except StoreError:
            raise
        except (OSError, *DAMAGED) as error:
            raise UntrustedArtifact(
                f"promoted.json of model {name!r} is damaged: promote a version, or train again"
            ) from error

    def identifier(self, name: str, version: str) -> str:
        """Return the identifier of a version, whose name or identifier is given.

        What is neither comes back as it is: no version has it.
        """
        if not VERSION_NAME.fullmatch(version):
            return version
        try:
            return self.pointer(name).named.get(version, version)
        except ModelNotFound:
            return version

    def give_name(self, name: str, version: str, version_name: str) -> None:
        """Name a version, once one is promoted; raise PromotionConflict if another has the name."""
        self._look_up(name, version)
        self.change(name, partial(named_in, version=version, version_name=version_name))

    def pointer_tag(self, name: str) -> str | None:
        """Return what changes whenever a model's pointer does; None while there is none.

        Cheap enough for every half second: nothing is read, and one process of a machine asks
        a bucket, once a second. While that is unavailable the tag stays, and nothing is raised.
        """
        return self.place.pointer_tag(name) if NAME.fullmatch(name) else None

    def change(self, name: str, change: Change) -> None:
        """Replace a model's pointer, as `Place.change`; raise ModelNotFound for an invalid name."""
        if not NAME.fullmatch(name):
            raise ModelNotFound(f"{name!r} cannot be a model's name")
        self.place.change(name, change)

    def promote(
        self, name: str, version: str, *, is_rollback: bool = False, expected: str | None = None
    ) -> None:
        """Make a stored version the one that is served by default, as `promoted_in`."""
        self._look_up(name, version)
        change = partial(promoted_in, version=version, is_rollback=is_rollback, expected=expected)
        self.change(name, change)

    def read_card(
        self, name: str, version: str | None = None, *, is_unsigned_read: bool = False
    ) -> dict[str, Any]:
        """Read and check the card of a version, by default the promoted one.

        Raise UntrustedArtifact where the card is damaged, of a newer format, or not signed
        although ``is_unsigned_read`` is false.
        """
        version = self.promoted(name) if version is None else version
        keys = None if is_unsigned_read else self.keys
        read = partial(open_card, name=name, version=version, keys=keys)
        with self.while_stored(name, version):
            try:
                return self.place.read_card(name, version, read)
            except FileNotFoundError:  # in the pointer, not in the bucket
                raise _not_found(name, version) from None

    def files(self, card: Mapping[str, Any]) -> Path:
        """Return the folder with a version's files, as `Place.bring`: they are not checked here."""
        return self.place.bring(card)

    def write_signature(self, name: str, version: str) -> None:
        """Sign a version that was written without a key, or with another one."""
        if self.keys:
            content = card_text(self.read_card(name, version, is_unsigned_read=True))
            self.place.sign(name, version, self.keys.sign(content))

    def write(self, card: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
        """Store a version, whole or not at all, and return its identifier.

        The card has everything but what `full_card` adds. Raise VersionExists if there is a
        version of that identifier.
        """
        if not NAME.fullmatch(card["model"]):
            raise ValueError(f"{card['model']!r} cannot be a model's name")
        full = full_card(card, files)
        version, text = str(full["version"]), card_text(full)
        signature = {SIGNATURE: self.keys.sign(text)} if self.keys else {}
        self.place.publish(card["model"], version, {**files, **signature, "card.json": text})
        return version

    def copy(self, name: str, version: str, other: "ModelStore") -> None:
        """Copy a version, with its signature and name, into another store, and promote it there.

        Raise PromotionConflict, before anything is copied, where another version has its name.
        """
        card = self.read_card(name, version)
        folder, owned = self.files(card), None
        with suppress(ModelNotFound):  # nothing is promoted here, so nothing has a name
            owned = self.pointer(name).name_of(version)
        if owned and (owner := other.identifier(name, owned)) not in (owned, version):
            raise PromotionConflict(f"{owned} is the name of {owner} of {name} in {other.place}")
        if version not in other.versions(name):
            files = {file: checked_file(folder, card, file) for file in card["files"]}
            if (folder / SIGNATURE).exists():
                files[SIGNATURE] = (folder / SIGNATURE).read_bytes()
            other.place.publish(name, version, {**files, "card.json": card_text(card)})
        other.promote(name, version)
        if owned:
            other.give_name(name, version, owned)

    def remove(self, name: str, version: str) -> None:
        """Remove a stored version, whole or not at all; raise VersionInUse while it must stay."""
        self._look_up(name, version)
        self.change(name, partial(removed_in, version=version, versions=self.versions(name)))
        self.place.remove(name, version)

    def sweep(self, name: str) -> None:
        """Delete what writers and removals that were killed have left of a stored model."""
        if self.versions(name):
            self.place.sweep(name)

    @contextmanager
    def while_stored(self, name: str, version: str) -> Iterator[None]:
        """Check that a version is stored; a refusal counts only if it still is afterwards."""
        self._look_up(name, version)
        try:
            yield
        except UntrustedArtifact:
            self._look_up(name, version)
            raise

    def _look_up(self, name: str, version: str) -> None:
        is_plain = NAME.fullmatch(name) and VERSION.fullmatch(version)
        if not (is_plain and self.place.has(name, version)):
            raise _not_found(name, version)


def _not_found(name: str, version: str) -> VersionNotFound:
    return VersionNotFound(f"model {name!r} has no version {version!r}")
