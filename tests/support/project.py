"""Where the project is, whether its sample is as delivered, and copies of it."""

import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: The sample that the documentation shows. A user may change or delete it.
SAMPLE = ("models/credit.py", "data/credit_sample.csv")
SAMPLE_DIGEST = "e67d3a69458c28c3"

#: The files of models/ and data/ that are the project's own. The others are the user's.
_KEPT = {"models/__init__.py", "models/schema.py", "data/make_credit_sample.py"}


def is_users(name: str) -> bool:
    """Tell whether a file is a model or a table of the user, so that no test depends on it."""
    return name.startswith(("models/", "data/")) and name not in _KEPT


@cache
def why_no_sample() -> str:
    """Return why a test of the sample cannot run; empty when it is as delivered."""
    absent = [name for name in SAMPLE if not (ROOT / name).is_file()]
    if absent:
        return f"the credit sample is not here: {', '.join(absent)}"
    content = b"".join((ROOT / name).read_bytes() for name in SAMPLE)
    digest = hashlib.sha256(content).hexdigest()[:16]
    return (
        "" if digest == SAMPLE_DIGEST else f"the credit sample was changed: its digest is {digest}"
    )


@cache
def list_files() -> tuple[str, ...]:
    """List the project's files: all that git knows or does not ignore."""
    if not (ROOT / ".git").exists():  # a slug of Heroku CI holds nothing else
        every = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file())
        ours = (name for name in every if not name.startswith((".", "artifacts/")))
        return tuple(name for name in ours if "__pycache__" not in name)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(name for name in done.stdout.splitlines() if (ROOT / name).is_file())


def copy_project(folder: Path, *, with_sample: bool = False) -> Path:
    """Copy the project without the user's models and tables, and return the copy.

    The library that set-up has compiled comes along.
    """
    for name in list_files():
        if not is_users(name) or (with_sample and name in SAMPLE):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for library in (ROOT / "engine/runtime").glob("exact-*.so"):
        shutil.copy(library, folder / "engine/runtime")
    return folder
