"""What the drain of a spool says of itself, in a file beside it."""

from pathlib import Path

import msgspec


class DrainStatus(msgspec.Struct):
    """How far a drain is."""

    stored: int = 0  # predictions, since the folder was made
    empty_at: float = 0.0  # when nothing waited, seconds since 1970
    error: str = ""  # why the database has not taken what waits

    def write(self, folder: Path) -> None:
        """Replace the file; a machine that fails may lose it, which does not matter."""
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
