"""The library of the exact runtime compiles without a warning, whatever compiler is there."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runtime.exact_library import (
    FLAGS,
    FOLDER,
    SOURCES,
    NoExactLibrary,
    library_path,
    open_library,
)
from tests.support.runtimes import needs_exact

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


@needs_exact
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_library_when_its_end_is_missing_is_not_opened(share: float, tmp_path: Path) -> None:
    content = library_path().read_bytes()
    cut = tmp_path / library_path().name
    cut.write_bytes(content[: int(share * len(content))])

    with pytest.raises(NoExactLibrary, match="is damaged, its end is missing"):
        open_library(cut)
