"""Templates of the API's description: JSON in which ``<name>`` stands for a value."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from engine.api.statuses import STATUSES

_NAME = re.compile(r"<(\w+)>")


@cache
def load_template(path: Path) -> dict[str, Any]:
    """Load a template; nobody changes it."""
    template: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return template


def fill(template: Any, values: Mapping[str, Any], failure: Mapping[str, Any]) -> Any:
    """Fill a template with values.

    A text that is nothing but ``<name>`` becomes the value itself; within a
    text the value is written. A path or an example that needs a value which
    is not there is left out; anything else then raises a `KeyError`.

    Parameters
    ----------
    failure : mapping
        The response to a request that fails, but for what its status means.
    """
    if isinstance(template, str):
        if name := _NAME.fullmatch(template):
            return values[name[1]]
        return _NAME.sub(lambda name: str(values[name[1]]), template)
    if isinstance(template, list):
        return [fill(item, values, failure) for item in template]
    if not isinstance(template, dict):
        return template
    filled: dict[str, Any] = {}
    for key, value in template.items():
        names = {*_NAME.findall(key + (json.dumps(value) if key == "example" else ""))}
        if key == "failures":  # the statuses of failures, among the responses of an operation
            filled |= failures(value, failure)
        elif key == "...":  # entries that a value brings
            filled |= fill(value, values, failure)
        elif names <= values.keys():
            filled[fill(key, values, failure)] = fill(value, values, failure)
    return filled


def failures(statuses: list[int], failure: Mapping[str, Any]) -> dict[str, Any]:
    """Describe failures, by status."""
    return {
        str(status): {"description": STATUSES[status].meaning, **failure} for status in statuses
    }
