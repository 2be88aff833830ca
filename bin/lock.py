"""Lock the Pipfile, and export the requirements files from the lock.

    make lock          rewrite Pipfile.lock and the requirements files
    make lock-check    exit 1 when they do not agree
    bin/lock.py --export    keep the versions of a lock that was merged, and write the rest

Runs on the Python that ``bin/setup pipenv`` made. No file it writes names a
package index, so pip's own settings decide where packages come from.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXPORTS = {
    "requirements.txt": [],
    "requirements-serve.txt": ["--categories", "serve"],
    "requirements-serve-onnx.txt": ["--categories", "serve-onnx"],
    "requirements-serve-bucket.txt": ["--categories", "serve-bucket"],
    "requirements-serve-log.txt": ["--categories", "serve-log"],
    "requirements-redis.txt": ["--categories", "redis"],
    "requirements-lambda.txt": ["--categories", "lambda"],
    "requirements-jobs.txt": ["--categories", "jobs"],
    "requirements-compiler.txt": ["--categories", "compiler"],
    "requirements-dev.txt": ["--dev-only"],
}
HEADER = "# Written by `make lock` from Pipfile.lock; edit Pipfile instead.\n"
FILES = ("Pipfile", "Pipfile.lock", *EXPORTS)
ADDRESS = re.compile(r"https?:|^\s*(-i|-f|--index|--extra|--find)", re.MULTILINE)
PIPENV = ["-m", "pipenv"]
DIGEST = ["-c", "from pipenv.project import Project; print(Project().pipfile.calculate_hash())"]


def lock() -> None:
    """Rewrite the lock and the requirements files, all or none."""
    wanted = Path(".python-version").read_text().strip()
    if wanted != f"{sys.version_info[0]}.{sys.version_info[1]}":
        sys.exit(f"lock: .python-version says {wanted}. Run: PYTHON=python{wanted} make lock")
    print("Choosing the newest versions that go together (a minute or two)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy("Pipfile", folder)
        choose = [*PIPENV, "lock", "--clear", "--python", sys.executable]
        run(choose, folder=folder, environment=_environment())
        made = Path(folder, "Pipfile.lock")
        digest = run(DIGEST, folder=folder, environment=_environment(is_neutral=True))
        made.write_text(without_indexes(made.read_text(), digest=digest.strip()))
        texts = {made.name: made.read_text(), **exports(folder)}
    for name, text in texts.items():
        Path(name).write_text(text)
    print(f"Wrote {', '.join(texts)}")


def export() -> None:
    """Keep the lock's versions; write its digest of the Pipfile and the requirements files."""
    digest = run(DIGEST, folder=".", environment=_environment(is_neutral=True))
    path = Path("Pipfile.lock")
    path.write_text(without_indexes(path.read_text(), digest=digest.strip()))
    for name, text in exports(".").items():
        Path(name).write_text(text)


def check() -> None:
    """Exit 1 with every disagreement between the files."""
    problems = [
        f"{name} is not what Pipfile.lock says"
        for name, text in exports(".").items()
        if not Path(name).is_file() or Path(name).read_text() != text
    ]
    if not is_locked():
        problems.append("Pipfile.lock was not made from this Pipfile")
    problems += [
        f"{name} names a package index"
        for name in FILES
        if Path(name).is_file() and ADDRESS.search(Path(name).read_text())
    ]
    if problems:
        sys.exit("\n".join(f"lock-check: {one}" for one in [*problems, "Run: make lock"]))
    print("Pipfile, Pipfile.lock and the requirements files agree")


def without_indexes(text: str, *, digest: str) -> str:
    """Take the package indexes of this machine out of a lock.

    Parameters
    ----------
    digest : str
        The Pipfile's. The one in the lock covers the indexes too.
    """
    content = json.loads(text)
    content["_meta"]["hash"]["sha256"] = digest
    content["_meta"]["sources"] = []
    for section, packages in content.items():
        if section != "_meta":
            for entry in packages.values():
                entry.pop("index", None)
    return json.dumps(content, indent=4, sort_keys=True) + "\n"


def exports(folder: str) -> dict[str, str]:
    """Give the text of each requirements file, by name."""
    export = [*PIPENV, "requirements", "--hash", "--exclude-index"]
    neutral = _environment(is_neutral=True)
    return {
        name: HEADER + run([*export, *more], folder=folder, environment=neutral)
        for name, more in EXPORTS.items()
    }


def is_locked() -> bool:
    """Tell whether the lock was made from this Pipfile."""
    locked = json.loads(Path("Pipfile.lock").read_text())["_meta"]["hash"]["sha256"]
    digest = run(DIGEST, folder=".", environment=_environment(is_neutral=True))
    return bool(locked == digest.strip())


def run(arguments: list[str], *, folder: str, environment: dict[str, str]) -> str:
    """Run this Python; give what it prints, or stop with what it complains about."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-15:])
        sys.exit(f"{last}\nlock: {' '.join(arguments[:3])} failed, see above; nothing was changed")
    return done.stdout


def _environment(*, is_neutral: bool = False) -> dict[str, str]:
    """Give pipenv's environment; a neutral one names no index, so all machines agree."""
    dropped = ("PIPENV_", "PIP_") if is_neutral else ("PIPENV_",)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(dropped)},
        **({"PIP_CONFIG_FILE": os.devnull} if is_neutral else {}),
        "PIPENV_VENV_IN_PROJECT": "1",
        "PIPENV_IGNORE_VIRTUALENVS": "1",
        "PIPENV_DONT_LOAD_ENV": "1",
        "PIPENV_NOSPIN": "1",
    }


def main() -> None:
    """Lock, or check the lock."""
    parser = argparse.ArgumentParser(description="Lock the Pipfile.")
    parser.add_argument("--check", action="store_true", help="only compare the files")
    parser.add_argument("--is-locked", action="store_true", help="only compare Pipfile and lock")
    parser.add_argument("--export", action="store_true", help="keep the versions of the lock")
    os.chdir(Path(__file__).parent.parent)
    options = parser.parse_args()
    if options.is_locked:
        sys.exit(not is_locked())
    (check if options.check else export if options.export else lock)()


if __name__ == "__main__":
    main()
