"""Strict JSON, in and out: what RFC 8259 allows, and no more."""

import json
import math
import re
from codecs import BOM_UTF8
from typing import Any

from engine.languages import gettext as _

#: How deep lists and objects may nest; a table of columns needs three levels.
MAX_NESTING = 32

#: What a body may become in memory, in bytes; shorter texts are not looked at.
MOST_TREE_BYTES, SHORT_TEXT = 3 * 2**24, 2**16

#: What each of these characters stands for takes about so many bytes: a list, an object, a key, a
#: value, and half of a text.
_WEIGHTS = ((b"[", 72), (b"{", 232), (b":", 60), (b",", 32), (b'"', 24))

_TOO_DEEP = f"is nested too deeply, beyond {MAX_NESTING} levels: a record is flat"
#: What some clients write that is not JSON; the first stands for a gap.
_CONSTANTS = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class InvalidJson(ValueError):
    """The bytes are not JSON that we accept; the message is a predicate, such as ``is empty``."""


class TooManyValues(InvalidJson):
    """The bytes are short, but what they become is not."""


class RepeatedKeys(dict[str, Any]):
    """An object with `repeated` keys, which have their first value."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__()
        repeated: dict[str, None] = {}
        for key, value in pairs:
            if key in self:
                repeated[key] = None
            else:
                self[key] = value
        self.repeated = list(repeated)


_CONTAINERS = frozenset((dict, list, RepeatedKeys))


def read_json(body: bytes, *, takes_nan: bool = False) -> Any:
    """Read UTF-8 JSON; objects that repeat a key are `RepeatedKeys`.

    Parameters
    ----------
    takes_nan : bool
        Whether NaN is read as a gap, and Infinity left to the validation as
        1e999 is, for clients that write them.

    Raises
    ------
    TooManyValues
        For more lists, objects and values than `MOST_TREE_BYTES` hold, before any is made.
    InvalidJson
        For other encodings, NaN and Infinity, lone surrogates, nesting
        deeper than `MAX_NESTING`, numbers of thousands of digits, and plain
        syntax errors.
    """
    body = body.removeprefix(BOM_UTF8)  # RFC 8259, 8.1: a reader may ignore the mark
    if not body.strip():
        raise InvalidJson(_("is empty: send a record as JSON"))
    refuse_large_tree(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidJson(
            _("is not UTF-8 (byte {start}): send UTF-8").format(start=error.start)
        ) from error
    constant = _CONSTANTS.__getitem__ if takes_nan else _refuse_constant
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=constant)
    except InvalidJson:
        raise
    except json.JSONDecodeError as error:
        line = _("line {lineno}, ").format(lineno=error.lineno) if "\n" in text else ""
        raise InvalidJson(
            _("is not JSON: {msg}, {line}column {colno}").format(
                msg=error.msg, line=line, colno=error.colno
            )
        ) from error
    except RecursionError as error:
        raise InvalidJson(_TOO_DEEP) from error
    except ValueError as error:
        raise InvalidJson(_("holds a number with too many digits")) from error
    if _nests_too_deeply(value):
        raise InvalidJson(_TOO_DEEP)
    if _ESCAPED_SURROGATE.search(body):
        _refuse_lone_surrogates(value)
    return value


def refuse_large_tree(body: bytes) -> None:
    """Raise `TooManyValues` for a text that would become more than `MOST_TREE_BYTES`."""
    if len(body) <= SHORT_TEXT:
        return
    # Characters within texts are counted, too: no text of words comes near the limit by them.
    if sum(weight * body.count(sign) for sign, weight in _WEIGHTS) > MOST_TREE_BYTES:
        raise TooManyValues(_("holds more values than are read at once: send fewer records"))


def write_json(value: Any) -> bytes:
    """Write compact UTF-8 JSON; a number that is not finite is an error."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else RepeatedKeys(pairs)


def _nests_too_deeply(value: Any) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _level in range(MAX_NESTING):
        if not level:
            return False
        inner: list[Any] = []
        for outer in level:
            values = outer.values() if isinstance(outer, dict) else outer
            # Most lists and objects hold none; this finds it out without a step for each value.
            if not _CONTAINERS.isdisjoint(map(type, values)):
                inner += [each for each in values if isinstance(each, (dict, list))]
        level = inner
    return bool(level)


def _refuse_constant(word: str) -> None:
    raise InvalidJson(_("holds {word}, which is not JSON: send null for a gap").format(word=word))


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidJson(_("holds half a surrogate pair, which is not text")) from error
