"""What headers say: a unit, codes, ids, and what the fields are called."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

from engine.schema.record_schema import UNNAMED

_CODE_NAMES = frozenset(
    (
        "category", "class", "cluster", "code", "grade", "group", "id", "kind", "label", "level",
        "region", "sector", "segment", "species", "status", "type", "zone",
    )
)  # fmt: skip
_ID_NAMES = frozenset(("guid", "id", "identifier", "ids", "idx", "index", "key", "pk", "uuid"))
_UNITS = frozenset(
    (
        "brl", "celsius", "chf", "clp", "cm", "days", "db", "eur", "ft", "gb", "gbp", "hours",
        "hpa", "hz", "jpy", "kb", "kcal", "kg", "khz", "km", "kmh", "kpa", "kw", "kwh", "lb", "lbs",
        "m2", "m3", "mb", "mg", "mhz", "min", "ml", "mm", "months", "mpg", "mph", "ms", "mw", "oz",
        "pct", "percent", "ppm", "psi", "px", "sec", "sqft", "sqm", "usd", "weeks", "years",
    )
)  # fmt: skip


def words_in(header: str) -> list[str]:
    """Split a header at its signs, figures and capitals: ``PassengerId`` is passenger, id."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header).casefold())


def unit_of(header: str) -> str:
    """Return the unit that a header names: in brackets at its end, or after its last ``_``."""
    if match := re.fullmatch(r".*\S.*[(\[]\s*([^()\[\]]{1,20}?)\s*[)\]]\s*", header):
        return match[1]
    last = re.split(r"[_\s.]", header.strip())[-1]
    return last if last != header.strip() and last.casefold() in _UNITS else ""


def is_code_name(header: str) -> bool:
    """Return whether a header says that its numbers are codes."""
    return any(word in _CODE_NAMES or word.endswith("class") for word in words_in(header)[-1:])


def is_id_name(header: str) -> bool:
    """Return whether a header says that its cells tell rows apart, as one without a name does."""
    return bool(_ID_NAMES & {*words_in(header)} or UNNAMED.fullmatch(header))


def plain_name(header: str) -> str:
    """Return a header as a name: lower case, without accents, signs and a unit in brackets.

    Python's own words end with ``_``. The name is empty where nothing of the header is left.
    """
    without_unit = re.sub(r"(?<=\S)\s*[(\[][^()\[\]]*[)\]]\s*$", "", header)
    letters = unicodedata.normalize("NFKD", without_unit)
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    letters = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unicodedata.normalize("NFC", letters))
    name = re.sub(r"\W+|_+", "_", letters).strip("_").casefold()[:60]
    if name[:1].isdigit():
        name = f"n{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def free_name(header: str, place: int, taken: Iterable[str]) -> str:
    """Return the name of a column, with a number behind it where it is taken."""
    name = plain_name(header) or f"column_{place}"
    if not name.isidentifier():
        name = f"column_{place}"
    free, number, names = name, 2, {*taken}
    while free in names:
        free, number = f"{name.rstrip('_')}_{number}", number + 1
    return free
