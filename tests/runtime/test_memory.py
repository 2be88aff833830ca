"""How much memory there is for one more version, as the system tells it."""

from pathlib import Path
from typing import Any

import pytest

from engine.runtime.memory import NotEnoughMemory, available_bytes, check_memory

MB = 10**6


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:   8000000 kB\nHugePages_Free: 0\n"}
SECOND = {
    **MEMINFO,
    "proc/self/cgroup": "0::/app/web\n",
    "sys/fs/cgroup/app/memory.max": f"{500 * MB}\n",
    "sys/fs/cgroup/app/memory.current": f"{400 * MB}\n",
    "sys/fs/cgroup/app/memory.stat": f"anon 1\ninactive_file {30 * MB}\n",
    "sys/fs/cgroup/app/web/memory.max": "max\n",
    "sys/fs/cgroup/app/web/memory.current": f"{300 * MB}\n",
}
FIRST = {
    **MEMINFO,
    "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{512 * MB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{500 * MB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 5\ntotal_inactive_file {8 * MB}\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (MEMINFO, 8_192_000_000),
        (SECOND, 130 * MB),
        (FIRST, 20 * MB),
        ({**SECOND, "proc/meminfo": "MemAvailable: 1000 kB\n"}, 1_024_000),
        ({**FIRST, "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{600 * MB}"}, 0),
    ],
)
def test_memory_when_the_system_tells_is_the_least_of_its_limits(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    assert expected == available_bytes(put(tmp_path, files))


def card(runtime: str, size: int) -> Any:
    files = {"model.onnx": {"bytes": size}, "model.skops": {"bytes": size}}
    return {"model": "rent", "version": "v1", "runtime": runtime, "files": files}


def test_memory_when_there_is_too_little_is_refused_with_both_figures(tmp_path: Path) -> None:
    put(tmp_path, SECOND)

    check_memory(card("onnx", 9 * MB), tmp_path)

    with pytest.raises(NotEnoughMemory, match=r"v1 of rent needs 140 MB .* 130 MB are available"):
        check_memory(card("onnx", 10 * MB), tmp_path)
    with pytest.raises(NotEnoughMemory, match="needs 162 MB"):
        check_memory(card("native", 9 * MB), tmp_path)


def test_memory_when_the_system_does_not_tell_is_enough(tmp_path: Path) -> None:
    check_memory(card("native", 10**15), tmp_path)
