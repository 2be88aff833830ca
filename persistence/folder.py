"""Versions in a folder: on the disk of this machine, or one that several share.

<root>/<model>/promoted.json            the pointer: what is promoted
<root>/<model>/<version>/card.json      what the version is
<root>/<model>/<version>/...            its other files, which the card names
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from persistence.atomic_files import locked, replace_file, sync_folder, write_file
from persistence.names import NAME, VERSION
from persistence.pointer_file import change_pointer, read_pointer, tag_pointer
from persistence.promotions import Pointer
from persistence.signatures import SIGNATURE

#: Folders that are no versions: still written, and on their way out.
_WRITING, _REMOVING = ".writing-", ".removing-"

#: Reads the card in a version's folder; raises UntrustedArtifact when it is not to be believed.
ReadCard = Callable[[Path], dict[str, Any]]


class VersionExists(FileExistsError):
    """A version of that name is stored already; nothing of it was changed."""


class Folder:
    """The versions under one folder.

    Parameters
    ----------
    root : Path
        Need not exist: it is made by the first `publish`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def names(self) -> list[str]:
        """List the models that have a pointer, in alphabetical order."""
        found = (path.parent.name for path in self.root.glob("*/promoted.json"))
        return sorted(name for name in found if NAME.fullmatch(name))

    def stored_names(self) -> list[str]:
        """List the models that have a version, in alphabetical order."""
        found = {path.parent.parent.name for path in self.root.glob("*/*/card.json")}
        return sorted(name for name in found if NAME.fullmatch(name) and self.versions(name))

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first."""
        found = (path.parent.name for path in (self.root / name).glob("*/card.json"))
        return sorted(version for version in found if VERSION.fullmatch(version))

    def has(self, name: str, version: str) -> bool:
        """Tell whether a version is stored."""
        # Looked up among what is there, never joined from what was asked.
        return version in self.versions(name)

    def pointer(self, name: str) -> Pointer:
        """Read a model's pointer.

        Raises
        ------
        FileNotFoundError
            When there is none.
        ValueError, KeyError, TypeError, AttributeError, RecursionError
            When it is damaged: `persistence.promotions.DAMAGED`.
        """
        return read_pointer(self.root / name)

    def pointer_tag(self, name: str) -> str | None:
        """Give what changes whenever the pointer does, without reading it; None without one."""
        return tag_pointer(self.root / name)

    def change(self, name: str, change: Callable[[Pointer | None], Pointer]) -> None:
        """Replace a model's pointer by what is made of it; nobody else does so meanwhile."""
        change_pointer(self.root / name, change)

    def read_card(self, name: str, version: str, read: ReadCard) -> dict[str, Any]:
        """Read the card of a stored version from its folder."""
        return read(self.root / name / version)

    def bring(self, card: Mapping[str, Any]) -> Path:
        """Give the folder of a version."""
        return self.root / str(card["model"]) / str(card["version"])

    def publish(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        """Store a version, whole or not at all.

        Parameters
        ----------
        files : mapping of str to bytes
            File name to content; ``card.json`` among them.

        Raises
        ------
        VersionExists
            When there is one of that name.
        """
        home = self.root / name
        home.mkdir(parents=True, exist_ok=True)
        sync_folder(self.root)
        with _draft_in(home) as draft:
            for file, content in files.items():
                write_file(draft / file, content)
            sync_folder(draft)
            try:
                draft.rename(home / version)
            except OSError as error:
                if not (home / version).exists():
                    raise
                raise version_exists(
                    name, version, self, is_equal=self._is_equal(name, version, files)
                ) from error
        sync_folder(home)

    def sign(self, name: str, version: str, signature: bytes) -> None:
        """Put a signature beside the card of a stored version, in place of another."""
        replace_file(self.root / name / version / SIGNATURE, signature)

    def remove(self, name: str, version: str) -> None:
        """Remove a stored version, whole or not at all; promoted or not."""
        home = self.root / name
        with locked(home):
            away = Path(tempfile.mkdtemp(prefix=_REMOVING, dir=home))
            (home / version).rename(away / version)
        sync_folder(home)
        shutil.rmtree(away, ignore_errors=True)  # what is left goes with the next version

    def sweep(self, name: str) -> None:
        """Delete what writers and removals that were killed have left of a model."""
        with locked(self.root / name):
            _sweep(self.root / name)

    def _is_equal(self, name: str, version: str, files: Mapping[str, bytes]) -> bool:
        with suppress(OSError):
            return (self.root / name / version / "card.json").read_bytes() == files["card.json"]
        return False


def version_exists(name: str, version: str, place: object, *, is_equal: bool) -> VersionExists:
    """Say that a version is there already, and what that means."""
    return VersionExists(
        f"version {version} of {name} is in {place} already, with the same content: "
        "it was published before"
        if is_equal
        else f"another version {version} of {name} is in {place} already, "
        "trained in the same second: train again"
    )


def _sweep(home: Path) -> None:
    """Delete what killed processes have left; nobody else writes or removes here meanwhile."""
    for path in home.glob(f"{_WRITING}*"):
        with suppress(OSError), locked(path, waits=False) as is_left:
            if is_left:
                shutil.rmtree(path)
    for path in home.glob(f"{_REMOVING}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _draft_in(home: Path) -> Iterator[Path]:
    """Make a folder to write a version in; it is gone afterwards, unless it was renamed.

    It is locked while its process lives. So what a killed process has left is
    known, and removed here.
    """
    with locked(home):
        _sweep(home)
        draft = Path(tempfile.mkdtemp(prefix=_WRITING, dir=home))
        descriptor = os.open(draft, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        draft.chmod(0o755)
        yield draft
    finally:
        os.close(descriptor)
        shutil.rmtree(draft, ignore_errors=True)
