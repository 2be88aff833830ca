"""What the drain of a spool says of itself, in a file beside it."""

import time
from pathlib import Path

import msgspec

from persistence.prediction_spool import is_drained, spool_files, total_bytes


class DrainStatus(msgspec.Struct):
    """How far a drain is."""

    stored: int = 0  # predictions, since the folder was made
    empty_at: float = 0.0  # seconds since 1970; what came before is stored
    error: str = ""  # why the database does not take what waits

    def write(self, folder: Path) -> None:
        """Replace the file; it may get lost with the machine."""
        draft = folder / ".drain.json"
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
    status, oldest = DrainStatus.read(folder), next(iter(spool_files(folder)), None)
    begun_at = int(oldest.name.partition("-")[0]) / 1e9 if oldest else time.time()
    return {
        "prediction_log_stored": status.stored,
        "prediction_log_spool_bytes": total_bytes(folder),
        "prediction_log_lag_seconds": max(0.0, time.time() - max(status.empty_at, begun_at)),
        "prediction_log_drain_up": is_drained(folder),
    }
