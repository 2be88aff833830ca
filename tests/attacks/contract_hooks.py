"""How schemathesis asks this API: what JSON Schema cannot say is left out here, and why.

`tests/attacks/schemathesis.toml` names this file; so does `tests/attacks/test_contract.py`.
"""

from collections.abc import Iterator
from typing import Any

import schemathesis

from engine.records.media_types import ARROW, CSV, LINES, PARQUET

#: Bodies that are no JSON. A schema cannot say which text is a table that fits.
TABLES = (
    CSV, LINES, ARROW, PARQUET, "application/jsonlines", "application/x-npy",
    "application/octet-stream",
)  # fmt: skip


@schemathesis.serializer(LINES, "application/jsonlines", ARROW, PARQUET, "application/x-npy", CSV)
def write_plainly(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Send a table as it stands."""
    return value.encode() if isinstance(value, str) else bytes(value)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out bodies of which the schema cannot say whether they are valid."""
    meta = case.meta
    # What is true of a prediction hangs on its model.
    if case.path.endswith("/feedback") and (meta is None or meta.generation.mode.is_positive):
        return False
    if meta is None or meta.phase.name == "examples":
        return True
    if case.media_type in TABLES:
        return False
    body = case.body
    if not meta.generation.mode.is_positive:
        return True
    # The description of these paths is that of every model, whose fields and targets differ.
    if case.path.endswith((":predict", "/infer", "/whatif")):
        return False
    # Some options are for records in JSON alone, and for few of them.
    if case.query and (not isinstance(body, dict) or "data" in body):
        return False
    return not any(map(_is_beyond_schemas, _walk(body)))


def _is_beyond_schemas(one: Any) -> bool:
    """Tell what makes a body invalid, though its schema cannot tell."""
    if isinstance(one, int) and not isinstance(one, bool):
        return abs(one) > 2**53  # as a double it would be another number
    if isinstance(one, float):
        return abs(one) > 1e100  # the answer may overflow
    if isinstance(one, str):
        return any("\ud800" <= letter <= "\udfff" for letter in one)  # no text
    if isinstance(one, dict):
        if one.get("columns") and one.get("data"):
            return True  # names in an order that is not that of the values
        lengths = {len(column) for column in one.values() if isinstance(column, list)}
        return len(lengths) > 1  # columns of different lengths
    return False


def _walk(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _walk(one)
