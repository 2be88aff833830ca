"""Virtual environments for the contenders: made on first use, kept while their pins stay.

An environment holds what pip installed and nothing else, not even pip, so
that its size is what a serving host needs.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: Everything that the benchmark makes, environments and results.
BENCH = ROOT / ".bench"

_INSTALL_SECONDS = 1800


class NotInstalled(RuntimeError):
    """An environment could not be made; the message gives pip's reason."""


def make(name: str, requirements: Sequence[str]) -> Path:
    """Make an environment, unless it is there with these very requirements.

    Parameters
    ----------
    requirements : sequence of str
        Pins as pip takes them, or ``-r FILE`` for a file of the project's
        root, which is installed by itself since it may demand hashes.

    Returns
    -------
    Path
        The environment's folder.
    """
    folder = BENCH / "environments" / name
    marker = folder / "made-for"
    wanted = _fingerprint(folder, requirements)
    if marker.is_file() and marker.read_text() == wanted:
        return folder
    print(f"{name}: making an environment", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], name)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install"]
    files = [one for one in requirements if one.startswith("-r ")]
    pins = [one for one in requirements if one not in files]
    for words in [*(one.split() for one in files), pins]:
        if words:
            _run([*pip, *words], name)
    marker.write_text(wanted)
    return folder


def requirements_of_ours() -> str:
    """Give the requirements that this service is installed from, to serve."""
    to_serve = "requirements-serve.txt"
    return f"-r {to_serve if (ROOT / to_serve).is_file() else 'requirements.txt'}"


def size_mb(folder: Path) -> float:
    """Sum the files that the packages brought, compiled modules included."""
    return (
        sum(
            path.lstat().st_size
            for path in _site_packages(folder).rglob("*")
            if path.is_file() and not path.is_symlink()
        )
        / 1e6
    )


def versions(folder: Path) -> dict[str, str]:
    """Give every installed distribution with its version."""
    found = distributions(path=[str(_site_packages(folder))])
    return {one.metadata["Name"]: one.version for one in found}


def _site_packages(folder: Path) -> Path:
    (path,) = folder.glob("lib/python3*/site-packages")
    return path


def _fingerprint(folder: Path, requirements: Sequence[str]) -> str:
    lines = [sys.version, str(folder), *requirements]  # programs name their folder
    for one in requirements:
        if one.startswith("-r "):
            content = (ROOT / one.removeprefix("-r ")).read_bytes()
            lines.append(hashlib.sha256(content).hexdigest())
    return "\n".join(lines)


def _run(command: Sequence[str], name: str) -> None:
    log = BENCH / "logs" / f"{name}-install.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with log.open("ab") as out:
        try:
            done = subprocess.run(  # noqa: S603
                command, cwd=ROOT, env=variables, stdout=out, stderr=out, timeout=_INSTALL_SECONDS,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise NotInstalled(f"not installed after {_INSTALL_SECONDS} s") from error
    if done.returncode:
        said = re.findall(r"^ERROR: (.+)$", log.read_text(errors="replace"), re.MULTILINE)
        raise NotInstalled(f"pip: {said[-1]}" if said else f"see {log.relative_to(ROOT)}")
