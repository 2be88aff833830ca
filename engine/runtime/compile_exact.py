"""Compile the library of the exact runtime, for this machine: run at every set-up.

    python -m engine.runtime.compile_exact

Without a compiler it says so and succeeds: models are served through ONNX then.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.runtime.exact_library import (
    FLAGS,
    FOLDER,
    SOURCES,
    NoExactLibrary,
    library_path,
    open_library,
)

#: By default this compiler makes code for the very processor that it runs on.
_ZIG = (sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline")


def compile_library(folder: Path = FOLDER) -> str:
    """Compile what is not compiled yet; return in a sentence what has become of it."""
    path = library_path(folder)
    if _opens(path) is None:
        return f"The exact runtime is compiled already ({path.name})."
    if not os.access(folder, os.W_OK):
        return f"The exact runtime is not compiled, {folder} is read-only: serving is slower."
    problems = []
    for compiler in _compilers():
        problem = _compile(compiler, path)
        if problem is None:
            _remove_others(path)
            return f"Compiled the exact runtime with {Path(compiler[0]).name} ({path.name})."
        problems.append(f"{shlex.join(compiler)}: {problem}")
    reason = "; ".join(problems) or "no C compiler is here (Debian, Ubuntu: apt install gcc)"
    return f"The exact runtime is not compiled, {reason}: serving is slower."


def _compilers() -> Iterator[tuple[str, ...]]:
    if chosen := os.environ.get("CC"):
        yield tuple(shlex.split(chosen))
    yield from ((name,) for name in ("cc", "gcc", "clang") if shutil.which(name))
    if importlib.util.find_spec("ziglang"):
        yield _ZIG


def _compile(compiler: tuple[str, ...], path: Path) -> str | None:
    """Compile, put in place once it opens; return what is wrong, if anything."""
    sources = [str(FOLDER / name) for name in SOURCES]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".exact-") as scratch:
        made = Path(scratch, path.name)
        command = [*compiler, *FLAGS, "-o", str(made), *sources, "-lm"]
        caches = {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        try:
            done = subprocess.run(  # noqa: S603
                command, env=os.environ | caches, capture_output=True, text=True, timeout=300,
                check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            return next((line for line in lines if "error" in line), lines[-1])
        if problem := _opens(made):
            return problem
        made.replace(path)
    return None


def _opens(path: Path) -> str | None:
    try:
        open_library(path)
    except NoExactLibrary as error:
        return str(error)
    return None


def _remove_others(path: Path) -> None:
    """Remove the libraries of other sources, but those of other machines."""
    machine = path.name.split("-", 2)[2]
    for other in path.parent.glob(f"exact-*-{machine}"):
        if other != path:
            other.unlink(missing_ok=True)


def main() -> None:
    """Compile, and say so in one line."""
    print(compile_library())


if __name__ == "__main__":
    main()
