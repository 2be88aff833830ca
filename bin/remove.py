"""Remove a model from the project: its file, its sample, its tests; git keeps them.

    make remove name=credit
    make remove name=credit yes=yes versions=yes

A table or a script goes along where git knows it, the model's file names it, and no other
model's file does. Stored versions stay, and are served as before, unless they are to go too.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import models  # noqa: E402
from settings import InvalidSettings, Settings  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    name, names = options.name, models.names()
    if name not in names:
        here = f"models/ has {', '.join(names) or 'none'}"
        return _fail(
            f"there is no model {name!r}: {here}, and make remove name=… takes one of them"
        )
    try:
        versions = _versions(Settings.from_environment().model_store, name)
    except InvalidSettings as error:
        return _fail(error)
    files = _files_of(name)
    print(
        "To be removed:", *files, *([versions] if options.versions and versions else []), sep="\n  "
    )
    for file in _unsaved(files):
        print(f"{file} as it is now is not committed: git cannot bring it back.")
    if not options.yes:
        if not sys.stdin.isatty():
            return _fail("nothing is removed: add yes=yes to remove without being asked")
        if input("Remove them? [y/N] ").strip().lower() not in ("y", "yes"):
            return _fail("nothing is removed")
    for file in files:
        (ROOT / file).unlink()
    if options.versions and versions:
        versions.unlink() if versions.is_symlink() else shutil.rmtree(versions)
    _explain(name, files, None if options.versions else versions)
    return 0


def _files_of(name: str) -> list[str]:
    """List the model's file, then what git knows and only this model uses."""
    texts = {
        other: (ROOT / f"models/{other}.py").read_text("utf-8", "replace")
        for other in models.names()
    }
    own = texts.pop(name)
    tracked = (_git("ls-files", "--", "data", f"tests/models/test_{name}.py") or "").splitlines()
    return [f"models/{name}.py"] + [
        file
        for file in tracked
        if (ROOT / file).is_file()
        and (file.startswith("tests/") or _names(own, file))
        and not any(_names(text, file) for text in texts.values())
    ]


def _names(text: str, file: str) -> bool:
    return bool(re.search(rf"(?<![\w/.-]){re.escape(file)}(?![\w-]|\.\w)", text))


def _unsaved(files: list[str]) -> list[str]:
    """List the files that git does not have as they are now."""
    lines = _git("status", "--porcelain", "--ignored", "--", *files)
    return files if lines is None else [line[3:] for line in lines.splitlines()]


def _versions(place: Path | str, name: str) -> Path | None:
    """Return the folder of the model's stored versions, if there is one."""
    folder = ROOT / place / name if isinstance(place, Path) else None
    return folder if folder and folder.is_dir() else None


def _explain(name: str, files: list[str], versions: Path | None) -> None:
    tracked = [
        file for file in files if _git("ls-files", "--error-unmatch", "--", file) is not None
    ]
    if tracked:
        print(f"Removed. To bring it back: git restore --source=HEAD {shlex.join(tracked)}")
    if versions:
        print(f"Its stored versions stay in {versions}: they are served until that folder goes.")
    rest, default = models.names(), Settings.from_environment().default_model
    if default in rest:
        print(f"make run now serves {default}.")
    elif rest:
        print(
            f"Choose what is served: make run model={rest[0]}, or DEFAULT_MODEL={rest[0]} in .env."
        )
    else:
        print("No model is left. To make one: make new name=churn from=churn.csv target=Churn")


def _git(*words: str) -> str | None:
    """Return what git prints; None where git is not, or fails."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-c", "core.quotePath=off", *words],  # noqa: S607
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _fail(reason: object) -> int:
    print(f"remove: {reason}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Remove a model from the project.")
    parser.add_argument("name", help="a file in models/")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--versions", action="store_true", help="remove its stored versions too")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"remove: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("remove: stopped from outside; nothing is removed")
