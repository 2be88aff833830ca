"""Versions in a folder: on the disk of this machine, or one that several share."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from persistence.atomic_files import locked, replace_file, sync_folder, write_file
from persistence.names import NAME, VERSION
from persistence.place import Change, Place, ReadCard, version_exists
from persistence.promotions import DAMAGED, Pointer
from persistence.signatures import SIGNATURE

#: Folders that are not versions: still being written, and being removed.
_WRITING, _REMOVING = ".writing-", ".removing-"


class Folder(Place):
    """The versions under one folder, which the first `publish` makes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def ask_apart(self, is_apart: bool) -> None:  # noqa: FBT001
        """Do nothing: a folder is read without threads."""

    def names(self) -> list[str]:
        names = (path.parent.name for path in self.root.glob("*/promoted.json"))
        return sorted(name for name in names if NAME.fullmatch(name))

    def stored_names(self) -> list[str]:
        return sorted(name for name in _names_in(self.root, NAME) if self.versions(name))

    def versions(self, name: str) -> list[str]:
        # A folder without a card is no version: of a copy in progress, or half deleted by hand.
        names = _names_in(self.root / name, VERSION)
        return sorted(version for version in names if self.has(name, version))

    def has(self, name: str, version: str) -> bool:
        return os.path.exists(f"{self.root}/{name}/{version}/card.json")  # noqa: PTH110

    def pointer(self, name: str) -> Pointer:
        return Pointer.read((self.root / name / "promoted.json").read_bytes())

    def pointer_tag(self, name: str) -> str | None:
        try:
            stat = (self.root / name / "promoted.json").stat()
        except OSError:
            return None
        return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"

    def change(self, name: str, change: Change) -> None:
        with locked(self.root / name):
            try:
                pointer = self.pointer(name)
            except (FileNotFoundError, *DAMAGED):
                pointer = None
            successor = change(pointer)
            if successor != pointer:
                replace_file(self.root / name / "promoted.json", successor.write())

    def read_card(self, name: str, version: str, read: ReadCard) -> dict[str, Any]:
        return read(self.root / name / version)

    def bring(self, card: Mapping[str, Any]) -> Path:
        return self.root / str(card["model"]) / str(card["version"])

    def publish(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
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
                is_equal = self._is_equal(name, version, files)
                raise version_exists(name, version, self, is_equal=is_equal) from error
        sync_folder(home)

    def sign(self, name: str, version: str, signature: bytes) -> None:
        replace_file(self.root / name / version / SIGNATURE, signature)

    def remove(self, name: str, version: str) -> None:
        home = self.root / name
        with locked(home):
            away = Path(tempfile.mkdtemp(prefix=_REMOVING, dir=home))
            (home / version).rename(away / version)
        sync_folder(home)
        shutil.rmtree(away, ignore_errors=True)  # the next writer removes what is left

    def sweep(self, name: str) -> None:
        with locked(self.root / name):
            _sweep(self.root / name)

    def _is_equal(self, name: str, version: str, files: Mapping[str, bytes]) -> bool:
        with suppress(OSError):
            return (self.root / name / version / "card.json").read_bytes() == files["card.json"]
        return False


def _names_in(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return [*filter(pattern.fullmatch, (path.name for path in folder.iterdir()))]
    return []


def _sweep(home: Path) -> None:
    """Delete what killed processes have left; nobody else writes or removes here meanwhile."""
    for path in home.glob(f"{_WRITING}*"):
        with suppress(OSError), locked(path, seconds=0) as is_left:
            if is_left:
                shutil.rmtree(path)
    for path in home.glob(f"{_REMOVING}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _draft_in(home: Path) -> Iterator[Path]:
    """Make a folder to write a version in; afterwards it is removed, unless it was renamed.

    Its writer locks it for as long as the process lives. An unlocked one was
    therefore left by a killed process, and `_sweep` removes it.
    """
    with ExitStack() as locks:
        with locked(home):
            _sweep(home)
            draft = Path(tempfile.mkdtemp(prefix=_WRITING, dir=home))
            locks.enter_context(locked(draft))
        try:
            draft.chmod(0o755)
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)
