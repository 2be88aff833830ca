"""Small fitted pipelines over fields of all kinds, and rows on which they are hard to evaluate."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.runtime.exact import ExactRuntime
from engine.runtime.exact_contents import thresholds
from engine.runtime.native import NativeRuntime, frame
from engine.runtime.trusted_types import load_pipeline
from engine.schema import Category, Flag, Number
from engine.training.artifact import dump_pipeline
from engine.training.exact.translation import translate
from engine.training.export.challenge import Challenge, joined
from engine.training.export.thresholds import Splits, splits
from engine.training.served_pipeline import served

FIELDS = (
    Number(name="size", example=50.0, minimum=0, maximum=1e6, limit=1e30),
    Number(name="balance", example=0.5, missing="accept", limit=1e30),
    Number(name="rooms", example=3, integer=True, minimum=0, maximum=20, missing="accept"),
    Category(
        name="kind", categories=tuple("abcdefghijklmnopqrstuvwxyz"), example="b",
        unknown="accept", missing="accept",
    ),
    Category(name="color", categories=("r", "g", "b"), example="r"),
    Flag(name="is_new", example=True, missing="accept"),
)  # fmt: skip
NUMBERS, WORDS = ["size", "balance", "rooms", "is_new"], ["kind", "color"]
_ROWS, _THRESHOLDS = 160, 120


class Trial(NamedTuple):
    """A fitted pipeline, as it is stored, and what the two runtimes answer for hard rows."""

    pipeline: Any
    columns: dict[str, Any]
    exact: Any
    expected: Any
    content: bytes


def make_columns() -> tuple[dict[str, Any], Any]:
    """Invent rows with gaps, and a number that depends on all fields."""
    draw = np.random.default_rng(0)
    columns = {
        "size": draw.normal(60, 20, _ROWS).round(1).clip(5),
        "balance": _with_gaps(draw, draw.normal(0, 1000, _ROWS)),
        "rooms": _with_gaps(draw, draw.integers(1, 9, _ROWS).astype(float)),
        "kind": draw.choice(np.array([*"abcdefghijklmnopqrst", "__missing__"], object), _ROWS),
        "color": draw.choice(np.array(["r", "g", "b"], object), _ROWS),
        "is_new": _with_gaps(draw, (draw.random(_ROWS) < 0.4).astype(float)),
    }
    hidden = (columns["size"] - 60) / 20 + np.nan_to_num(columns["balance"]) / 1000
    hidden += (columns["color"] == "r") + 1.5 * np.isin(columns["kind"], list("abcde"))
    return columns, hidden + np.nan_to_num(columns["is_new"]) + draw.normal(0, 0.6, _ROWS)


def _with_gaps(draw: np.random.Generator, values: Any) -> Any:
    return np.where(draw.random(_ROWS) < 0.1, np.nan, values)


COLUMNS, HIDDEN = make_columns()
TARGETS: dict[str, Any] = {
    "two": HIDDEN > 0.8,
    "three": np.array(np.select([HIDDEN < 0.2, HIDDEN < 1.4], ["low", "middle"], "up"), object),
    "number": np.exp(HIDDEN),
}


def words_and(numbers: Any, words: Any = None, **parameters: Any) -> ColumnTransformer:
    """Return a preparation: what is done with numbers, and with words (one-hot)."""
    words = words or OneHotEncoder(handle_unknown="ignore")
    parts = [("numbers", numbers, NUMBERS), ("words", words, WORDS)]
    return ColumnTransformer(parts, **{"sparse_threshold": 0} | parameters)


def numbered(unknown: float = -1) -> OrdinalEncoder:
    """Return an encoder that numbers words."""
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=unknown)


def fit(pipeline: Any, target: str) -> Any:
    """Fit a pipeline; return it as it is stored and read back."""
    with threadpool_limits(1):  # many threads take longer for so few rows
        pipeline.fit(frame(COLUMNS, FIELDS), TARGETS[target])
    return load_pipeline(dump_pipeline(served(pipeline).pipeline), model="toy")


def run_trial(pipeline: Any, target: str, *, is_searched: bool = False) -> Trial:
    """Fit a pipeline, and let both runtimes answer hard rows.

    Those at thresholds are searched by other code than that of the translation, which takes
    seconds, or are at the numbers that the translation has found.
    """
    fitted = fit(pipeline, target)
    content = translate(fitted, FIELDS)
    has_probabilities = hasattr(fitted, "predict_proba")
    classes = None if target == "number" else fitted.classes_.tolist()
    runtime = ExactRuntime(content, FIELDS, has_probabilities=has_probabilities, classes=classes)
    native = NativeRuntime(fitted, FIELDS)
    challenge = Challenge(COLUMNS, FIELDS, seed=1)
    columns = (
        hard_rows(fitted)
        if is_searched
        else joined(usual_rows(), challenge.at_numbers(*thresholds(content)))
    )
    with threadpool_limits(1):
        both = [one.run(columns) for one in (runtime, native)]
    exact, expected = (one.probabilities if has_probabilities else one.values for one in both)
    return Trial(fitted, columns, exact, expected, content)


def hard_rows(pipeline: Any, groups: Sequence[Splits] | None = None) -> dict[str, Any]:
    """Return the usual rows, and those at thresholds, by default those of scikit-learn's trees."""
    challenge, rows = Challenge(COLUMNS, FIELDS, seed=1), usual_rows()
    # Some thresholds of each group, all over the trees, so that the search stays short.
    groups = [
        group._replace(places=group.places[::step], thresholds=group.thresholds[::step])
        for group in (splits(pipeline) if groups is None else groups)
        for step in (len(group.places) // _THRESHOLDS + 1,)
    ]
    if groups:
        with threadpool_limits(1):
            rows = joined(rows, challenge.at_thresholds(groups))
    return rows


@cache
def usual_rows() -> dict[str, Any]:
    """Return real rows, turning points, all magnitudes, gaps and all words."""
    challenge = Challenge(COLUMNS, FIELDS, seed=1)
    rows = joined(challenge.real, challenge.turning_points()[0], challenge.extremes())
    tiny = {name: np.repeat(values[:1], 6) for name, values in COLUMNS.items()}
    tiny["balance"] = np.array([5e-324, -5e-324, 0.0, -0.0, 2.3e-308, 1.2e-45])
    tiny["size"] = np.abs(tiny["balance"])
    return joined(rows, tiny, _drawn())


def _drawn() -> dict[str, Any]:
    draw = np.random.default_rng(3)
    return {
        field.name: np.array(
            [
                field.absent if field.missing == "accept" and draw.random() < 0.2
                else field.read(field.draw(draw))[0]
                for _ in range(_ROWS)
            ],
            dtype=object if field.words else np.float64,
        )
        for field in FIELDS
    }  # fmt: skip


def same_bits(left: Any, right: Any) -> bool:
    """Return whether two arrays of doubles have the same bits; also tells both zeros apart."""
    left, right = (np.ascontiguousarray(array, np.float64) for array in (left, right))
    return np.array_equal(left.view(np.uint64), right.view(np.uint64))
