"""Failures as KServe and Triton phrase them: ``{"error": "text"}``, in one line."""

from collections.abc import Sequence

from engine.api.errors import Failure
from engine.languages import gettext as _
from engine.records.media_types import JSON
from engine.records.problems import PROBLEMS_LISTED, Problem
from engine.records.strict_json import write_json

#: The number of problems that a line lists.
_MOST_SHOWN = 20


def write_line(problems: Sequence[Problem]) -> str:
    """Write problems in one line, the first 20 of them; a pointer may name a key of any length."""
    shown = [f"{problem.pointer[:100]} {problem.detail}" for problem in problems[:_MOST_SHOWN]]
    if (rest := len(problems) - _MOST_SHOWN) > 0:
        least = _("at least ") if len(problems) > PROBLEMS_LISTED else ""
        shown.append(_("and {least}{rest} more").format(least=least, rest=rest))
    return " ".join("; ".join(shown).split())


def phrase_line(failure: Failure, request_id: str) -> tuple[bytes, str]:
    """Phrase a failure as an object with the key ``error``."""
    text = failure.detail
    if failure.problems:
        text = f"{text.partition(';')[0]}: {write_line(failure.problems)}"
    return write_json({"error": text}) + b"\n", JSON
