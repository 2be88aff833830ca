"""Compile the library of the exact runtime, for this machine: run at every set-up.

    python -m engine.runtime.compile_exact

Where no C compiler works, the package `ziglang` brings one: as locked, in a folder of its own
that is deleted again. Where that fails too, one line says so, and it is a success: models are
served through ONNX then.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.runtime.exact_library import (
    FLAGS,
    FOLDER,
    SOURCES,
    NoExactLibrary,
    library_path,
    open_library,
)

_LOCKED = FOLDER.parents[1] / "requirements-compiler.txt"

#: How pip installs the package that is locked, and leaves nothing elsewhere.
_INSTALL = (
    sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:",
    "--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--retries=1",
)  # fmt: skip


class NoCompiler(Exception):
    """No compiler can be had: why."""


def compile_library(folder: Path = FOLDER) -> str:
    """Compile what is not compiled yet; return in a sentence what has become of it."""
    path = library_path(folder)
    if _opens(path) is None:
        return f"The exact runtime is compiled already ({path.name})."
    if not os.access(folder, os.W_OK):
        return f"The exact runtime is not compiled, {folder} is read-only: {_INSTEAD}."
    problems = []
    try:
        with closing(_compilers()) as compilers:
            for compiler in compilers:
                problem = _compile(compiler, path)
                if problem is None:
                    _remove_others(path)
                    name = Path(compiler[0]).name
                    return f"Compiled the exact runtime with {name} ({path.name})."
                problems.append(f"{shlex.join(compiler)}: {problem}")
    except NoCompiler as error:
        problems.append(str(error))
    return (
        f"The exact runtime is not compiled, no C compiler works here ({'; '.join(problems)}): "
        f"{_INSTEAD}. Install one (Debian, Ubuntu: apt install gcc libc6-dev), then "
        f"{NoExactLibrary.remedy}."
    )


_INSTEAD = "models are served through ONNX or by scikit-learn, which is slower"


@contextmanager
def locked_zig() -> Iterator[tuple[str, ...]]:
    """Give the command of the compiler in `ziglang`, installed for as long as the context lasts.

    Raises
    ------
    NoCompiler
        If pip cannot install it, or is not here.
    """
    with tempfile.TemporaryDirectory(prefix="ziglang-") as folder:
        print("No C compiler works here: fetching ziglang, 100 MB, for now.", file=sys.stderr)
        problem = _problem_of((*_INSTALL, f"--target={folder}", f"--requirement={_LOCKED}"))
        if problem is not None:
            raise NoCompiler(f"ziglang: {problem}")
        yield zig_in(Path(folder, "ziglang"))


def zig_in(package: Path) -> tuple[str, ...]:
    """Return the command of the compiler in an installed `ziglang`."""
    # By default this compiler makes code for the very processor that it runs on, and notes where
    # its own files are: without (-s), the same sources give the same bytes.
    return (str(package / "zig"), "cc", "-mcpu=baseline", "-s")


def _compilers() -> Generator[tuple[str, ...], None, None]:
    if chosen := os.environ.get("CC"):
        yield tuple(shlex.split(chosen))
    yield from ((name,) for name in ("cc", "gcc", "clang") if shutil.which(name))
    installed = importlib.util.find_spec("ziglang")
    if installed and installed.origin:
        yield zig_in(Path(installed.origin).parent)
        return
    with locked_zig() as compiler:
        yield compiler


def _compile(compiler: tuple[str, ...], path: Path) -> str | None:
    """Compile, put in place once it opens; return what is wrong, if anything."""
    sources = [str(FOLDER / name) for name in SOURCES]
    # A running service has the old file open: it keeps that one, since a new one takes its name.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".exact-") as scratch:
        made = Path(scratch, path.name)
        caches = {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        problem = _problem_of((*compiler, *FLAGS, "-o", str(made), *sources, "-lm"), **caches)
        problem = problem or _opens(made)
        if problem is None:
            made.replace(path)
    return problem


def _problem_of(command: tuple[str, ...], **environment: str) -> str | None:
    """Run a compiler or pip; return its complaint when it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            command, env=environment | os.environ, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=600, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not done.returncode:
        return None
    lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return next((line for line in lines if "error" in line), lines[-1])


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
