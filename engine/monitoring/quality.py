"""Quality: logged predictions beside what became true, by version, time and segment."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.monitoring.drift import judged_rows
from engine.monitoring.estimate import SCORES, expected_scores
from engine.runtime.coverage import COVERAGE, Intervals
from engine.runtime.reference import Reference
from engine.schema.card import Card
from engine.scoring.interval import mean_of, of_gain, of_share
from engine.scoring.judged import HeldOutAnswers
from engine.scoring.metrics import applicable
from persistence.prediction_rows import OutcomeRow, PredictionRow

#: With fewer outcomes nothing is said of the quality.
FEWEST = 30

#: So many outcomes are read at most: the newest.
MOST = 200_000

#: How the time of predictions is named, by how long a period is.
PERIODS = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}

_BINS = 10


class Group(NamedTuple):
    """What some predictions have in common; empty where that is not distinguished."""

    version: str
    period: str = ""
    segment: Any = ""


def measure(
    judged: Iterable[tuple[PredictionRow, list[OutcomeRow]]], card_of: Callable[[str], Card],
    *, by: str = "", every: str = "",
    reference_of: Callable[[Card], Reference | None] = lambda card: None,
) -> dict[str, Any]:  # fmt: skip
    """Compute the quality of each group of predictions; the latest outcome of each counts.

    Parameters
    ----------
    card_of : callable
        The card of a version.
    by : str
        The field whose values make segments.
    every : str
        One of `PERIODS`.
    reference_of : callable
        The reference of a version, by which scores are expected without the truth. They are
        put beside those of all its predictions, not of parts.
    """
    groups: dict[Group, list[tuple[PredictionRow, Any]]] = defaultdict(list)
    contradicted = 0
    for row, outcomes in judged:
        moment = datetime.fromtimestamp(row.at, UTC)
        segment = (row.record or {}).get(by) if by else ""
        group = Group(row.version, moment.strftime(PERIODS[every]) if every else "", segment)
        groups[group].append((row, outcomes[-1].value))
        contradicted += any(outcome.value != outcomes[-1].value for outcome in outcomes)
    entries = []
    for group, pairs in sorted(groups.items(), key=lambda item: [*map(str, item[0])]):
        card = card_of(group.version)
        reference = None if by or every else reference_of(card)
        quality = _quality([*zip(*pairs, strict=True)], card, reference)
        entries.append({**group._asdict(), **quality})
    return {"groups": entries, "contradicted": contradicted}


def _quality(
    columns: Sequence[Sequence[Any]], card: Card, reference: Reference | None
) -> dict[str, Any]:
    """Return the scores of predictions with their true values."""
    rows, truth = columns
    if len(rows) < FEWEST:
        return {"n": len(rows), "note": f"not enough yet: {len(rows)} of {FEWEST} outcomes"}
    judged = judged_rows(rows, truth, card)
    scores = {
        name: score.entry(judged) for name, score in applicable(judged).items() if name in SCORES
    }
    expected = expected_scores(judged, reference.answers) if reference else {}
    for name in expected.keys() & scores.keys():
        holds = expected[name].low <= scores[name]["value"] <= expected[name].high
        scores[name]["expected"] = {**msgspec.to_builtins(expected[name]), "holds": holds}
    intervals = Intervals.of_card(card, COVERAGE)
    if intervals is not None:
        low, high = np.asarray(intervals.of_all(judged.predicted)).T
        share = mean_of(((low <= judged.truth) & (judged.truth <= high)) * 1.0)
        scores["interval_coverage"] = of_share(share).entry(share.value)
    for score in scores.values():
        if "remark" in score:
            score["remark"] = score["remark"].replace("held-out rows", "predictions")
    quality: dict[str, Any] = {"n": len(rows), "scores": scores}
    if judged.probabilities is not None:
        quality["calibration"] = _calibration(judged)
    return quality


def _calibration(judged: HeldOutAnswers) -> dict[str, Any]:
    """Return how far probabilities are from how often the class came true.

    Of two classes it is the positive one, of more the predicted one. ``ece`` is the expected
    calibration error over bins of equal width (Naeini et al., 2015, AAAI), which is above 0
    even for right probabilities: ``ece_by_chance`` is about what they would have.
    """
    assert judged.probabilities is not None
    if len(judged.classes or ()) == 2:
        shares, came = judged.positive_probability(), judged.truth == judged.positive
    else:
        shares, came = judged.probabilities.max(axis=1), judged.truth == judged.predicted
    places = np.minimum((shares * _BINS).astype(int), _BINS - 1)
    bins, ece, chance = [], 0.0, 0.0
    for place in np.unique(places):
        inside = places == place
        n, mean, share = (
            int(inside.sum()),
            float(shares[inside].mean()),
            mean_of(came[inside] * 1.0),
        )
        low, high, _ = of_share(share)
        ece += n * abs(mean - share.value) / len(shares)
        spread = shares[inside] * (1 - shares[inside])
        chance += float((2 / np.pi * spread.sum()) ** 0.5) / len(shares)
        bins.append(
            {"n": n, "probability": mean, "came_true": share.value, "low": low, "high": high}
        )
    bias = mean_of(shares - came)
    interval = of_gain(bias).entry(bias.value)
    return {"ece": ece, "ece_by_chance": chance, "bins": bins, "bias": interval}
