"""Who trains, and with what code: the commit, and whether it is the code that runs."""

import getpass
import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

#: The project's folder.
ROOT = Path(__file__).absolute().parents[2]


class Origin(NamedTuple):
    """Who trains, and with what code."""

    by: str = ""  # if empty, git's ``user.name``, else the login name
    revision: str = ""  # the commit, for where there is no git
    code: Mapping[str, str] = MappingProxyType({})  # what a card says of it; see `traced`


def trainer(origin: Origin, *, root: Path = ROOT) -> str:
    """Return who trains; empty if there is no name, as in some containers."""
    if name := origin.by or _git("config", "user.name", root=root):
        return name
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return ""


def traced(name: str, origin: Origin, *, root: Path = ROOT) -> Origin:
    """Return an origin with what a card says of the code, which may be edited during a training."""
    return origin if origin.code else origin._replace(code=_code_entry(name, origin, root))


def _code_entry(name: str, origin: Origin, root: Path) -> dict[str, str]:
    entry = {"revision": _revision(root) or origin.revision, "python": platform.python_version()}
    with suppress(OSError):  # a definition that no file in models/ holds
        content = (root / "models" / f"{name}.py").read_bytes()
        entry["model_sha256"] = hashlib.sha256(content).hexdigest()
    return entry


def _revision(root: Path) -> str:
    """Return the commit, with a plus sign if other code than it has may run; empty without git."""
    commit = _git("rev-parse", "HEAD", root=root)
    if not commit:
        return ""
    is_changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", root=root)
    tracked = {*_git("ls-files", "-z", root=root).split("\0")}
    return commit if not is_changed and _imported(root) <= tracked else f"{commit}+"


def _imported(root: Path) -> set[str]:
    """Return the files of the project that this process has imported; ignored files, too."""
    files = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
    paths = {Path(file).absolute() for file in files if file}
    return {
        path.relative_to(root).as_posix()
        for path in paths
        if path.is_relative_to(root) and not path.is_relative_to(sys.prefix)
    }


def _git(*arguments: str, root: Path) -> str:
    """Return what git prints in a folder; empty where it fails or is not installed."""
    command = ["git", *arguments]  # fixed words only
    with suppress(OSError, subprocess.CalledProcessError):
        return subprocess.check_output(  # noqa: S603
            command, cwd=root, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace"
        ).strip()
    return ""
