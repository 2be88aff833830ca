"""Predictions of the log: which are meant, as texts name them, and what each is in JSON."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import asdict

from engine.records.outcomes import seconds_of
from engine.records.problems import BadRequest
from engine.schema.messages import shown
from persistence.prediction_rows import PredictionRow, Selection


def read_selection(
    *, since: str | None = None, until: str | None = None, identifiers: Iterable[str] = (),
    **texts: Any,
) -> Selection:  # fmt: skip
    """Read which predictions are meant; raise `BadRequest` where a text cannot be read."""
    times = {"since": since, "until": until}
    values: dict[str, Any] = {name: seconds_of(text) for name, text in times.items()}
    for name, text in times.items():
        if text is not None and values[name] is None:
            remedy = "send a date and time, as 2026-01-31T12:00:00Z"
            raise BadRequest(400, f"{name} is {shown(text)}: {remedy}")
    named = {}
    for text in identifiers:
        name, is_pair, value = text.partition("=")
        if not (name and is_pair and value):
            raise BadRequest(400, f"identifier is {shown(text)}: send NAME=VALUE, as order=7")
        named[name] = value
    return Selection(**texts, **values, identifiers=named)


def describe(row: PredictionRow) -> dict[str, Any]:
    """Return what JSON has of a prediction."""
    values = {name: value for name, value in asdict(row).items() if name != "place"}
    return {**values, "at": datetime.fromtimestamp(row.at, UTC).isoformat()}
