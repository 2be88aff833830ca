"""What the rows looked like that a version learnt from: `reference.json`, beside its card.

Later rows are compared with it. Each sample stands for itself: no row can be put together again.
Its numbers are rounded, except in versions made before they were.
"""

from typing import Any

import msgspec
import numpy as np

from engine.runtime.familiarity import CodedRows
from persistence.store_errors import UntrustedArtifact

#: The file of a version; versions made without one have none.
FILE = "reference.json"

#: Raise it with any change that an older reader would misunderstand.
FORMAT = 1


class FieldReference(msgspec.Struct, omit_defaults=True):
    """One field of the training rows.

    Attributes
    ----------
    sample : list of float
        Sorted values of rows drawn at random: numbers, flags, seconds of dates, lengths of texts.
    decimals : int or None
        Digits after the point, below 0 before it, to which they are rounded; None for all.
    counts : dict of str to int
        Rows by word, where the field has words.
    missing, unknown, outside : int
        Rows with a gap, with a word that is not listed, with a value outside the declared range.
    """

    sample: list[float] = []
    decimals: int | None = None
    counts: dict[str, int] = {}
    missing: int = 0
    unknown: int = 0
    outside: int = 0


class AnswersReference(msgspec.Struct, omit_defaults=True):
    """The answers to the held-out rows, and how they differ from the truth.

    Attributes
    ----------
    rows : int
        How many there are.
    counts : dict of str to int
        Rows by predicted class.
    sample : list of float
        Sorted answers drawn at random, of a regression.
    positive : list of float
        Sorted probabilities of the positive one of two classes, drawn at random.
    decimals : int or None
        To how many digits the answers or probabilities are rounded.
    slope, offsets : float, list of float
        The softmax of slope * log p + offset of each class is calibrated.
    edges, residuals : list of float, list of lists of float
        Of a regression: what the truth is above the answer, by bins of the answer.
    """

    rows: int
    counts: dict[str, int] = {}
    sample: list[float] = []
    positive: list[float] = []
    decimals: int | None = None
    slope: float = 1.0
    offsets: list[float] = []
    edges: list[float] = []
    residuals: list[list[float]] = []


class Reference(msgspec.Struct):
    """The rows that a version learnt from, and its answers to those that were held out.

    A field marked private has no entry among `fields`; `typical` is a record of the median or
    most frequent value of each field, as JSON, with the example of private and text fields.
    `coded` are some of the rows, in words and tenths of the values.
    """

    format: int
    rows: int
    fields: dict[str, FieldReference]
    answers: AnswersReference
    typical: dict[str, Any]
    coded: CodedRows | None = None


def log_shares(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, of which a forest answers 0 and 1, too."""
    logs: np.ndarray = np.log(np.clip(probabilities, 1e-4, 1))
    return logs


def parse_reference(content: bytes) -> Reference:
    """Parse the file; raise UntrustedArtifact where this code cannot read it."""
    try:
        reference = msgspec.json.decode(content, type=Reference)
    except msgspec.DecodeError as error:
        raise UntrustedArtifact(f"{FILE} cannot be read: {error}") from error
    if reference.format != FORMAT:
        raise UntrustedArtifact(f"{FILE} has format {reference.format}, this code reads {FORMAT}")
    return reference
