"""The processes of this machine, as Linux lists them under ``/proc``."""

from pathlib import Path


def children(process: int) -> list[int]:
    """List a process's children; none where that cannot be seen."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def all_processes() -> list[int]:
    """List all processes; raises OSError where they cannot be seen."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def parent(process: int) -> int:
    """Return a process's parent; 0 where it has just ended."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
