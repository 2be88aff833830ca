"""The library of the exact runtime compiles without a warning, whatever compiler is there."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runtime.exact_library import FLAGS, FOLDER, SOURCES

COMPILERS = {name: [name] for name in ("gcc", "clang") if shutil.which(name)}
if importlib.util.find_spec("ziglang"):
    COMPILERS["zig"] = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_source_when_compiled_has_no_warning(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    sources = [str(FOLDER / name) for name in SOURCES]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    command = [*COMPILERS[compiler], *FLAGS, *warnings, "-o", str(tmp_path / "made.so"), *sources]

    done = subprocess.run([*command, "-lm"], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
