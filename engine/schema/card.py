"""The type of a card: what `card.json` says of a version, key by key.

docs/reference/card.md explains them. A key that may be absent is newer than the
oldest card that is still read, or is added when the version is stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict


class SetAsideEntry(TypedDict):
    """The rows that a training left out, since a cell or the row breaks what is declared."""

    most: float  # the share of the rows that may be
    rules: list[str]
    rows: int
    reasons: dict[str, int]  # a row may have several


class Counts(TypedDict, total=False):
    """How many rows a table has, and how they were split."""

    rows: int
    training_rows: int
    held_out_rows: int
    split: str
    held_out_from: float  # the first time that is held out, of a split by time
    set_aside: SetAsideEntry  # where the model file declares something about them


class DataEntry(Counts):
    """The table that a version learnt from."""

    name: str
    sha256: str
    note: str


class CostEntry(TypedDict):
    """What errors cost, and the cost per row of thresholds, by answers to rows left out."""

    false_positive: float
    false_negative: float
    rows: int
    curve: list[dict[str, float]]  # each a threshold and its cost


class Decision(TypedDict):
    """What turns the output of a model into an answer."""

    classes: Any  # a list of labels; None for a regression
    positive: Any
    threshold: float
    tie: NotRequired[float]  # probabilities this close are equal


class Description(Decision):
    """What is known of a version once its pipeline is fitted."""

    model: str
    title: str
    description: str
    task: str
    schema: dict[str, Any]  # of `Schema.to_json`
    has_probabilities: bool
    costs: NotRequired[CostEntry]
    request_threshold: NotRequired[bool]
    reasons: NotRequired[int]  # that come with an answer of the negative class
    answer: NotRequired[str]  # "value" or "probabilities" where the aliases answer so
    log_tables: NotRequired[str]  # "file" where tables are logged by their digest
    trained_by: NotRequired[str]
    created_at: str
    estimator: str
    trees: int | None
    score: str
    seed: int
    hyperparameters: dict[str, Any]
    data: DataEntry
    code: dict[str, str]
    libraries: dict[str, str]
    imported: NotRequired[dict[str, Any]]  # the file of a model that was fitted elsewhere


class ScoreEntry(TypedDict):
    """A score with its 95 % interval, beside that of a model that ignores its input."""

    value: float
    low: float
    high: float
    baseline: float
    remark: NotRequired[str]  # why the interval may hold less often than 95 %


class Importances(TypedDict):
    """What the estimator and the score pay attention to."""

    impurity_importances: dict[str, float]
    permutation_importances: dict[str, dict[str, float]]


class ChallengeEntry(TypedDict):
    """A version beside the one that was promoted when it was trained."""

    asked: str
    champion: str | None
    score: str
    rows: int | None
    value: float | None
    champion_value: float | None
    gain: dict[str, float] | None  # its value, low and high
    may_know_rows: bool | None
    verdict: str
    promote: bool
    reason: str


class ParityEntry(TypedDict):
    """A comparison of an export with the fitted pipeline."""

    rows: int
    mismatches: int
    difference: float | None
    reason: str
    thresholds: NotRequired[int]
    thresholds_tried: NotRequired[int]
    recipe: NotRequired[str]


class AnswerEntry(TypedDict):
    """A record with its answer."""

    record: dict[str, Any]
    value: Any
    probability: float | None
    probabilities: Sequence[float] | None


class RuntimeEntry(TypedDict):
    """How a version is served, and what it answers."""

    schema: dict[str, Any]  # of `Schema.to_json`, with the limits of the fitted pipeline
    runtime: Literal["exact", "onnx", "native"]
    parity: ParityEntry | None
    runtime_reason: str
    spread: NotRequired[float | None]
    seconds: dict[str, float]
    example: AnswerEntry
    golden: NotRequired[list[AnswerEntry]]


class Card(Description, Importances, RuntimeEntry):
    """All that is known of a version."""

    remarks: NotRequired[list[str]]
    scores: dict[str, ScoreEntry]
    class_scores: list[dict[str, Any]]
    uncertainty: NotRequired[dict[str, Any]]  # of the answers, by the held-out rows
    pictures: NotRequired[dict[str, Any]]  # curves and counts of the held-out rows
    challenge: NotRequired[ChallengeEntry]
    reference: dict[str, dict[str, Any]]
    format: NotRequired[int]
    files: NotRequired[dict[str, dict[str, Any]]]
    digest: NotRequired[str]
    version: NotRequired[str]


def select(card: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return some of a card's keys with what they hold."""
    return {key: card[key] for key in keys}
