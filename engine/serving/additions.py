"""What the options of a request add to its predictions."""

from typing import Any

from engine.serving.observers import Decided


def additions(decided: Decided) -> list[dict[str, Any]]:
    """Return the keys that are added to the prediction of each record; empty for none at all."""
    return []
