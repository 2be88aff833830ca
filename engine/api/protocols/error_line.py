"""Failures as the protocols of other servers have them: ``{"error": "text"}``, one line."""

from collections.abc import Sequence

from engine.api.errors import Failure
from engine.records.media_types import JSON
from engine.records.problems import PROBLEMS_LISTED, Problem
from engine.records.strict_json import write_json

#: A line lists so many problems.
_MOST_SHOWN = 20

#: And so much of each pointer, which may name a key of any length.
_MOST_OF_A_POINTER = 100


def write_line(problems: Sequence[Problem]) -> str:
    """Write problems in one line, the first 20 of them."""
    shown = [f"{one.pointer[:_MOST_OF_A_POINTER]} {one.detail}" for one in problems[:_MOST_SHOWN]]
    rest = len(problems) - _MOST_SHOWN
    if rest > 0:
        least = "at least " if len(problems) > PROBLEMS_LISTED else ""
        shown.append(f"and {least}{rest} more")
    return " ".join("; ".join(shown).split())


def phrase_line(found: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as an object with the key ``error``."""
    text = found.detail
    if found.problems:
        text = f"{text.partition(';')[0]}: {write_line(found.problems)}"
    return write_json({"error": text}) + b"\n", JSON
