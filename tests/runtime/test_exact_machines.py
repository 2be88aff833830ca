"""Other compilers and machines: no warning, and every answer has the same bits.

`make machines` compares many more records than the tests do.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.runtime.compile_exact import NoCompiler, compile_library, locked_zig
from engine.runtime.exact_library import FLAGS, FOLDER, SOURCES, library_path, open_library
from tests.runtime.test_exact_fuzz import write_files
from tests.training.exact.fitted import COLUMNS

pytestmark = pytest.mark.slow

RECORDS = int(os.environ.get("MACHINE_RECORDS", "500"))

#: Emulates arm64, with the C library of Debian's package libc6-arm64-cross.
EMULATOR = "qemu-aarch64-static"
ARM_LIBRARIES = Path("/usr/aarch64-linux-gnu")

#: A disk may take a minute to delete the compiler's 20,000 files.
MEMORY = Path("/dev/shm")  # noqa: S108

SOURCE_FILES = [FOLDER / name for name in SOURCES]
WARNINGS = ("-Wall", "-Wextra", "-Werror")
DONE = "status 0"
ARM_64 = 183  # in the header of a program for Linux
MACHINES = ("gcc", "zig", "zig for arm64")

Compile = Callable[..., str]


@pytest.fixture(scope="module")
def zig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """The command of the locked compiler, installed as set-up does where no other is."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp("zig-cache")))
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 1e9:
            patch.setattr(tempfile, "tempdir", str(MEMORY))
        try:
            with locked_zig() as compiler:
                yield compiler
        except NoCompiler as reason:
            pytest.skip(f"no zig is here: {reason}")
    assert not Path(compiler[0]).parents[1].exists()


@pytest.fixture(scope="module")
def compile_for(zig: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile for a machine, and return what the compiler says."""
    arm = (*zig[:2], "-target", "aarch64-linux-gnu.2.28")
    compilers = dict(zip(MACHINES, (("gcc",), zig, arm), strict=True))
    empty = str(tmp_path_factory.mktemp("empty"))

    def compile_for(machine: str, *arguments: str | Path) -> str:
        # Where gcc is found, zig takes its C library; here it brings its own.
        path = {"PATH": os.environ["PATH"] if machine == "gcc" else empty}
        command = [*compilers[machine], *WARNINGS, "-I", FOLDER, *arguments, *SOURCE_FILES, "-lm"]
        done = subprocess.run(
            command, env=os.environ | path, capture_output=True, text=True, check=False
        )
        return done.stderr or f"status {done.returncode}"

    return compile_for


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """Files of models of all kinds, each with the file of its records."""
    folder = tmp_path_factory.mktemp("questions")
    pairs = []
    for number, model in enumerate(write_files(folder)):
        n_fields = int(np.frombuffer(model.read_bytes(), np.uint32, 1, 8)[0])
        records = model.with_suffix(".records")
        draw_records(n_fields, number).tofile(records)
        pairs.append((model, records))
    return pairs


def draw_records(n_fields: int, seed: int) -> Any:
    """Draw records among whose values are gaps, codes, the trained numbers and all magnitudes."""
    draw = np.random.default_rng(seed)
    shape = (RECORDS, n_fields)
    trained = np.concatenate([np.asarray(COLUMNS[name], float) for name in ("size", "balance")])
    return np.choose(
        draw.integers(0, 5, shape),
        [
            draw.integers(-1, 30, shape).astype(float),
            draw.choice(trained, shape),
            draw.normal(0, 3, shape),
            draw.normal(0, 1, shape) * 10.0 ** draw.integers(-310, 308, shape),
            draw.choice([np.nan, np.inf, -np.inf, -0.0, 1e308], shape),
        ],
    )


def answers(
    command: tuple[str, ...], questions: list[tuple[Path, Path]], folder: Path
) -> dict[str, bytes]:
    """Run a program over the models; return the bits of what each answers."""
    folder.mkdir()
    arguments = [
        str(path) for model, records in questions for path in (model, records, folder / model.name)
    ]
    subprocess.run([*command, *arguments], check=True, timeout=120 + RECORDS / 50)
    return {path.name: bits_of(path) for path in sorted(folder.iterdir())}


def bits_of(path: Path) -> bytes:
    """Return the doubles of a file, each NaN with the same bits: its sign is the processor's."""
    doubles = np.fromfile(path)
    doubles[np.isnan(doubles)] = np.nan
    return doubles.tobytes()


def test_answers_of_gcc_zig_and_emulated_arm64_when_compared_have_the_same_bits(
    compile_for: Compile, questions: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    if shutil.which("gcc") is None or shutil.which(EMULATOR) is None:
        pytest.skip("gcc or the emulator is missing: apt install gcc qemu-user-static")
    if not ARM_LIBRARIES.is_dir():
        pytest.skip("the C library of arm64 is missing: apt install libc6-arm64-cross")
    driver = Path(__file__).with_name("exact_answers.c")
    flags = [flag for flag in FLAGS if flag not in ("-fPIC", "-shared")]

    by_machine = {}
    for machine in MACHINES:
        program = tmp_path / f"program of {machine}"
        assert DONE == compile_for(machine, *flags, "-o", program, driver)
        emulated = (EMULATOR, "-L", str(ARM_LIBRARIES)) if "arm64" in machine else ()
        folder = tmp_path / f"answers of {machine}"
        by_machine[machine] = answers((*emulated, str(program)), questions, folder)

    assert ARM_64 == program.read_bytes()[18]
    for name, expected in by_machine["gcc"].items():
        half = len(expected) // 2
        assert half and expected[:half] == expected[half:], f"{name}: a record alone"
        others = {machine for machine in MACHINES if by_machine[machine][name] != expected}
        assert set() == others, name


@pytest.mark.parametrize("machine", MACHINES)
def test_library_when_compiled_for_any_machine_has_no_warning(
    machine: str, compile_for: Compile, tmp_path: Path
) -> None:
    assert DONE == compile_for(machine, *FLAGS, "-o", tmp_path / "made.so")


def test_library_where_no_compiler_is_but_ziglang_is_compiled_by_that(
    zig: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.syspath_prepend(Path(zig[0]).parents[1])

    sentence = compile_library(tmp_path)

    path = library_path(tmp_path)
    assert f"Compiled the exact runtime with zig ({path.name})." == sentence
    assert [path] == list(tmp_path.iterdir())
    assert open_library(path)
