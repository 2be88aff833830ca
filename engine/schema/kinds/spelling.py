"""How tables spell gaps and codes."""

import re
from decimal import Decimal

#: The words that stand for a gap in a table, as pandas reads them, unless a field declares them.
GAP_WORDS = frozenset(
    (
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    )
)  # fmt: skip

_ZEROS = re.compile(r"^(-?\d+)\.0+$", re.ASCII)


def spelling(number: int | float | Decimal | str) -> str:
    """Return how a code is spelled: 1 and 1.0, as numbers and as text, are both ``1``."""
    return _ZEROS.sub(r"\1", str(number))
