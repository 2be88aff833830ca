"""What fields are called, after the headers of a table."""

import keyword
import re
import unicodedata
from collections.abc import Iterable


def plain_name(header: str) -> str:
    """Return a header as a name: lower case, without accents, signs and a unit in brackets.

    Python's own words end with ``_``. The name is empty where nothing of the header is left.
    """
    without_unit = re.sub(r"(?<=\S)\s*[(\[][^()\[\]]*[)\]]\s*$", "", header)
    letters = unicodedata.normalize("NFKD", without_unit)
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    letters = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unicodedata.normalize("NFC", letters))
    name = re.sub(r"\W+|_+", "_", letters).strip("_").lower()[:60]
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
