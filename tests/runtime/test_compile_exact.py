"""The library of the exact runtime: compiled at set-up, recognised when it is not of use."""

import os
import struct
import sys
import tempfile
from pathlib import Path

import pytest

from engine.runtime.compile_exact import compile_library
from engine.runtime.exact_library import NoExactLibrary, library_path, open_library
from tests.support.runtimes import needs_exact

#: The head of a library for Linux: its class is 32 bits (1) or 64 (2), then the machine.
X86, ARM, X86_64, ARM_64 = 3, 40, 62, 183


def made(folder: Path) -> Path:
    """Copy this machine's library to another folder."""
    path = library_path(folder)
    path.write_bytes(library_path().read_bytes())
    return path


def of_machine(content: bytes, bits: int, machine: int) -> bytes:
    return content[:4] + bytes([bits]) + content[5:18] + struct.pack("<H", machine) + content[20:]


@needs_exact
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.99])
def test_library_when_its_end_is_missing_is_not_opened(share: float, tmp_path: Path) -> None:
    path = made(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: max(4, int(share * len(content)))])

    with pytest.raises(NoExactLibrary, match="is damaged, its end is missing"):
        open_library(path)


@needs_exact
@pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="there is no /proc here")
@pytest.mark.parametrize(("bits", "machine"), [(1, X86), (1, ARM), (2, X86_64), (2, ARM_64)])
def test_library_when_it_is_of_another_machine_is_not_opened(
    bits: int, machine: int, tmp_path: Path
) -> None:
    path = made(tmp_path)
    own = Path("/proc/self/exe").read_bytes()[:20]
    path.write_bytes(of_machine(path.read_bytes(), bits, machine))
    if own[4] == bits and own[18] == machine:
        assert open_library(path)
        return

    with pytest.raises(NoExactLibrary, match="is of another machine: run `python -m"):
        open_library(path)


@pytest.mark.parametrize("content", [b"", b"\x00", b"no library" * 100])
def test_library_when_it_is_no_program_is_not_opened(content: bytes, tmp_path: Path) -> None:
    path = library_path(tmp_path)
    path.write_bytes(content)

    with pytest.raises(NoExactLibrary, match="does not open here"):
        open_library(path)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc/self/mem here")
def test_library_when_it_cannot_be_read_is_not_opened(tmp_path: Path) -> None:
    path = library_path(tmp_path)
    path.symlink_to("/proc/self/mem")  # reading its start fails for root too

    with pytest.raises(NoExactLibrary, match=r"does not open here \(.*Input/output error"):
        open_library(path)


@pytest.mark.parametrize("name", ["exact-0123456789ab-linux-x86_64.so", "exact-1-haiku-z80.so"])
def test_library_when_only_others_are_there_is_not_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()

    with pytest.raises(NoExactLibrary, match=rf"out of date or of another machine \({name}\)"):
        open_library(library_path(tmp_path))


@needs_exact
def test_library_when_damaged_is_replaced_and_a_file_in_use_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = library_path(tmp_path)
    path.write_bytes(b"damaged")
    stale, foreign = (tmp_path / f"exact-0123456789ab-{name}" for name in (
        path.name.split("-", 2)[2], "haiku-z80.so"
    ))  # fmt: skip
    stale.touch()
    foreign.touch()
    before = path.stat().st_ino

    with path.open("rb") as in_use:
        sentence = compile_library(tmp_path)
        assert b"damaged" == in_use.read()

    assert sentence.startswith("Compiled the exact runtime with ")
    assert before != path.stat().st_ino
    assert {path, foreign} == set(tmp_path.iterdir())
    assert open_library(path)
    assert f"The exact runtime is compiled already ({path.name})." == compile_library(tmp_path)


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler", "cp --no-such-option"])
def test_set_up_without_a_compiler_says_so_in_a_line_and_leaves_nothing(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, nowhere = tmp_path / "scratch", tmp_path / "nowhere"
    scratch.mkdir()
    nowhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("CC", compiler)
    for name, value in {"PATH": nowhere, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1",
                        "PIP_FIND_LINKS": nowhere}.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))

    sentence = compile_library(tmp_path)

    assert "\n" not in sentence
    assert sentence.startswith("The exact runtime is not compiled, no C compiler works here (")
    assert compiler in sentence and "ziglang: ERROR: No matching distribution" in sentence
    assert "models are served through ONNX" in sentence
    assert [] == [path for path in tmp_path.rglob("*") if path not in (scratch, nowhere)]
