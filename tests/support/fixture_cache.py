"""Trained stores that are kept between runs, in .fixtures/ of the project.

An entry is a folder named by a digest of everything that decides what is in it.
It is made under another name and renamed when it is whole. Every run copies the
entry, so no test can change it, and compares the copy with the entry's list of
digests: a damaged entry is made again.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

from tests.support.project import ROOT

#: What decides how a training ends: the project's code, and the packages beside it.
SOURCES = (
    "build_model.py", "engine/cards", "engine/runtime", "engine/schema", "engine/training",
    "persistence", "tests/support/models.py", "tests/support/toys", "Pipfile.lock",
)  # fmt: skip
PACKAGES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skl2onnx", "skops")

#: Entries of a name that stay: this one, and that of another branch.
MOST_ENTRIES = 2

_LIST = "digests.json"


class FixtureCache:
    """The entries of one folder.

    Parameters
    ----------
    folder : Path
        Need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(
        self, target: Path, name: str, make: Callable[[Path], object], sources: Iterable[Path] = ()
    ) -> None:
        """Fill a folder with an entry; make the entry first where it is not there or damaged.

        Parameters
        ----------
        target : Path
            The folder to fill, which does not exist.
        make : callable
            Path of a folder -> anything; trains into the folder.
        sources : iterable of Path
            What decides the entry besides `SOURCES`.
        """
        with self._locked(name):
            entry = self.folder / f"{name}-{digest_of_sources(tuple(sources))}"
            if not _copy_whole(entry, target):
                shutil.rmtree(entry, ignore_errors=True)
                with tempfile.TemporaryDirectory(dir=self.folder) as unfinished:
                    made = Path(unfinished, "made")
                    made.mkdir()
                    make(made)
                    (made / _LIST).write_text(json.dumps(digests(made)))
                    made.rename(entry)
                assert _copy_whole(entry, target)
            os.utime(entry)
            self._prune(name)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel drops it with the process
            yield

    def _prune(self, name: str) -> None:
        """Remove the entries of a name that were used the longest ago."""
        entries = [path for path in self.folder.glob(f"{name}-*") if path.is_dir()]
        entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for entry in entries[MOST_ENTRIES:]:
            shutil.rmtree(entry)


def _copy_whole(entry: Path, target: Path) -> bool:
    """Copy an entry; leave no copy, and return False, when it is not as it was made."""
    try:
        listed = json.loads((entry / _LIST).read_text())
        shutil.copytree(entry, target, ignore=shutil.ignore_patterns(_LIST))
        if digests(target) == listed:
            return True
    except (OSError, ValueError):
        pass
    shutil.rmtree(target, ignore_errors=True)
    return False


def digests(folder: Path) -> dict[str, str]:
    """Map the name of every file in a folder to its digest."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


@cache
def digest_of_sources(others: tuple[Path, ...] = (), root: Path = ROOT) -> str:
    """Return the digest of all that decides how a training ends."""
    state = [sys.version, *(f"{name} {metadata.version(name)}" for name in PACKAGES)]
    for source in (*(root / name for name in SOURCES), *others):
        paths = sorted(source.rglob("*")) if source.is_dir() else [source]
        files = [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
        state += [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return hashlib.sha256("\n".join(state).encode()).hexdigest()[:16]
