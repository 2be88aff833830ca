"""What the drain of a spool says of itself, in a file beside it, and what waits for it."""

import time
from contextlib import suppress
from pathlib import Path

import msgspec

from persistence.prediction_entries import decode
from persistence.prediction_spool import is_drained, spool_files
from persistence.spool_reading import read_frames, stored_position, waiting_bytes


class DrainStatus(msgspec.Struct):
    """How far a drain is."""

    stored: int = 0  # predictions, since the folder was made
    damaged: int = 0  # parts of the spool, and rows, that were set aside
    error: str = ""  # why the database does not take what waits

    def write(self, folder: Path) -> None:
        """Replace the file; it may get lost with the machine."""
        draft = folder / ".drain.json"
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(self))
        draft.replace(folder / "drain.json")

    @classmethod
    def read(cls, folder: Path) -> "DrainStatus":
        """Read the file; without one nothing is known."""
        try:
            return msgspec.json.decode((folder / "drain.json").read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            return cls()


def figures(folder: Path) -> dict[str, float]:
    """Return the figures of a spool and its drain, by the names of metrics."""
    status, now = DrainStatus.read(folder), time.time()
    waiting, oldest_at = 0, now
    for path in spool_files(folder):
        with suppress(FileNotFoundError), path.open("rb") as file:
            if path.suffix == ".spool" and (size := waiting_bytes(file.fileno())):
                waiting += size
                oldest_at = min(oldest_at, _first_time(file.fileno(), path))
    return {
        "prediction_log_stored": status.stored,
        "prediction_log_damaged": status.damaged,
        "prediction_log_spool_bytes": waiting,
        "prediction_log_lag_seconds": now - oldest_at,
        "prediction_log_drain_up": is_drained(folder),
    }


def _first_time(descriptor: int, path: Path) -> float:
    """Return when the first entry was made that waits; where none says so, when its file was."""
    with suppress(msgspec.DecodeError):
        for content, _ in read_frames(descriptor, stored_position(descriptor), 2**16):
            for entry in decode(content):
                if at := getattr(entry, "at", None) or getattr(entry, "received_at", None):
                    return float(at)
    return int(path.name.partition("-")[0]) / 1e9
