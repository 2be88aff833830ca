"""On what was measured: the machine, and the versions that matter."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

#: What serves, where the requirements are a file.
_SERVING = ("flask", "gunicorn", "httptools", "msgspec", "numpy", "onnxruntime")


def describe() -> str:
    """Name processor, cores, memory, system and Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB, "
        f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}, "
        f"Python {platform.python_version()}"
    )


def main_versions(requirements: Sequence[str], installed: Mapping[str, str]) -> list[str]:
    """Give the installed versions of what a contender asks for by name.

    Parameters
    ----------
    requirements : sequence of str
        Pins, or ``-r FILE``, which stands for what serves.
    installed : mapping
        Distribution to version.
    """
    names: list[str] = []
    for one in requirements:
        names += _SERVING if one.startswith("-r ") else [re.split(r"[\[=]", one)[0]]
    spelt = {name.lower(): name for name in installed}
    return [f"{spelt[name.lower()]} {installed[spelt[name.lower()]]}"
            for name in names if name.lower() in spelt]  # fmt: skip


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    text = listing.read_text() if listing.is_file() else ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()
