"""What a process that is shut can still do: by trying it there."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT

#: Tries what a stranger's code might do; the walls are the kernel's alone.
TRY = """
import ctypes, json, os, socket, subprocess, sys
from engine.training.fitted.lock import limit, part_from_machine
folder, port, hook = sys.argv[1:]
is_apart = part_from_machine()
told = []
limit(told.append if hook == "tell" else lambda what: None, seconds=1)
results = {"apart": is_apart}
def attempt(name, act):
    try:
        results[name] = repr(act())
    except BaseException as error:
        results[name] = type(error).__name__
def connect():
    with socket.create_connection(("127.0.0.1", int(port)), timeout=2):
        return "connected"
def write():
    with open(folder + "/new", "w") as file:
        file.write("x")
attempt("connect", connect)
attempt("write", write)
attempt("remove", lambda: os.remove(folder + "/old"))
attempt("memory", lambda: len(bytearray(10 << 30)))
calls, old = ctypes.CDLL(None), (folder + "/old").encode()
attempt("native", lambda: [
    calls.syscall(442, -100, b"/", 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32),  # writable again
    calls.unlink(old), calls.truncate(old, 0), calls.socket(1, 1, 0), calls.setsid(),
    calls.setpgid(0, 0), calls.open(b"/dev/zero", 2),
] if is_apart else "not tried")
attempt("shell", lambda: subprocess.run(["touch", folder + "/touched"]).returncode)
attempt("secrets", lambda: open(f"/proc/{os.getppid()}/environ").read() and 0)
print(json.dumps([results, told]), flush=True)
if hook == "loop":
    while True: pass
"""


def attempt(folder: Path, hook: str) -> "subprocess.CompletedProcess[str]":
    (folder / "old").write_text("kept")
    with socket.create_server(("127.0.0.1", 0)) as server:
        return subprocess.run(
            [sys.executable, "-c", TRY, str(folder), str(server.getsockname()[1]), hook],
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.mark.skipif(sys.platform != "linux", reason="the namespaces are those of Linux")
def test_process_when_it_is_shut_reaches_nothing_though_nothing_is_told(tmp_path: Path) -> None:
    done = attempt(tmp_path, "silent")

    results, _ = json.loads(done.stdout)
    if not results["apart"]:
        pytest.skip("this machine lets nobody make namespaces")
    assert 0 == done.returncode
    assert "PermissionError" == results["connect"]
    assert str([-1] * 7) == results["native"]
    assert "OSError" == results["write"] == results["remove"]
    assert "MemoryError" == results["memory"]
    assert "PermissionError" == results["secrets"] or "FileNotFoundError" == results["secrets"]
    assert ["old"] == [file.name for file in tmp_path.iterdir()]
    assert "kept" == (tmp_path / "old").read_text()


def test_process_when_it_is_shut_tells_what_is_tried(tmp_path: Path) -> None:
    _, told = json.loads(attempt(tmp_path, "tell").stdout)

    assert ["use the network", f"write the file {tmp_path}/new", "change files"] == [
        what for what in dict.fromkeys(told) if what != "start a program"
    ]
    assert "start a program" in told


@pytest.mark.slow
def test_process_when_it_never_ends_is_ended_after_its_seconds(tmp_path: Path) -> None:
    done = attempt(tmp_path, "loop")

    assert done.returncode in (-signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGKILL)
