"""Compare a new version with the promoted one on the same held-out rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd

from engine.cards.facts import comparison_of
from engine.languages import in_english
from engine.runtime.loading import load_version
from engine.runtime.tolerance import TOLERANCE, share_of_allowed, spread_of
from engine.runtime.version import StoredVersion
from engine.schema.card import ChallengeEntry, Description
from engine.schema.record_schema import Schema
from engine.scoring.interval import of_gain
from engine.scoring.judged import HeldOutAnswers, judge
from engine.scoring.metrics import SCORES, applicable, incomparable
from engine.training.table import InvalidTable, read_table
from persistence.model_persistence import ModelStore
from persistence.store_errors import ModelNotFound, UntrustedArtifact, VersionNotFound


class Incomparable(ValueError):
    """The promoted version cannot answer these rows, or not by this score."""


def challenge(
    store: ModelStore | None,
    card: Description,
    judged: HeldOutAnswers,
    table: pd.DataFrame,
    *,
    promote: str,
) -> ChallengeEntry:
    """Compare a new version with the promoted one, and decide whether to promote it.

    The result is the card's ``challenge``; see docs/reference/card.md.

    Parameters
    ----------
    card, judged
        The new version's card, so far, and its answers to the held-out rows.
    table : DataFrame of shape (n_held_out, n_source_columns)
        The same rows before they are read: the promoted version reads them by its own schema.
    promote : {"always", "if-better", "never"}
        ``if-better`` decides by the interval of the gain.
    """
    comparison: dict[str, Any] = {
        "asked": promote, "champion": None, "score": card["score"], "rows": None, "value": None,
        "champion_value": None, "gain": None, "may_know_rows": None,
    }  # fmt: skip
    verdict, remark = "first", ""
    try:
        if store is not None:
            comparison["champion"] = store.promoted(card["model"])
            champion = load_version(store, card["model"], comparison["champion"])
            figures, remark = _compare(champion, card, judged, table)
            comparison |= figures
            verdict = _verdict(comparison["gain"])
    except ModelNotFound:
        pass
    except (Incomparable, UntrustedArtifact, VersionNotFound) as error:
        verdict = "incomparable"
        label = comparison["champion"] or "what is promoted"
        remark = f"{label} cannot be compared on these rows: {error}"
    is_better = verdict in ("first", "better")
    is_chosen = promote == "always" or (promote == "if-better" and is_better)
    comparison |= {"verdict": verdict, "promote": is_chosen}
    with in_english():
        remark = f"; {remark}" if remark and comparison["gain"] else remark
        comparison["reason"] = comparison_of(comparison) + remark
    return cast("ChallengeEntry", comparison)


def _compare(
    champion: StoredVersion, card: Description, judged: HeldOutAnswers, table: pd.DataFrame
) -> tuple[dict[str, Any], str]:
    score = SCORES[card["score"]]
    theirs = _judge(champion, card, judged, table)
    if reason := incomparable(card["score"], judged):
        raise Incomparable(reason)
    ours, others = score.estimate(judged), score.estimate(theirs)
    gain = score.gain(ours, others)
    low, high, remark = of_gain(gain)
    figures = {
        "rows": len(judged.truth),
        "value": ours.value,
        "champion_value": others.value,
        "gain": {"value": gain.value, "low": low, "high": high},
        "may_know_rows": _may_know(champion, card),
    }
    return figures, remark if low < high else ""


def _judge(
    champion: StoredVersion, card: Description, judged: HeldOutAnswers, table: pd.DataFrame
) -> HeldOutAnswers:
    """Let the promoted version answer the rows, and check that it reads them alike."""
    try:
        X, y, _ = read_table(table, champion.schema, is_to_learn_from=False)
    except InvalidTable as error:
        raise Incomparable(f"its schema rejects them: {error.problems[0]}") from error
    theirs = champion.card
    for key in ("classes", "positive"):
        labels, others = (set(x) if isinstance(x, list) else x for x in (card[key], theirs[key]))
        if labels != others:
            raise Incomparable(f"its {key} are {theirs[key]}, here they are {card[key]}")
    if y.tolist() != judged.truth.tolist():
        raise Incomparable("it reads other true values from them")
    answers = judge(y.to_numpy(), champion.predict(X.to_dict("list")), theirs)
    if card["score"] not in applicable(answers):
        raise Incomparable(f"it has no {card['score']}")
    has_threshold = card["threshold"] == theirs["threshold"]
    return without_rounding(answers, judged, has_threshold=has_threshold)


def without_rounding(
    theirs: HeldOutAnswers, judged: HeldOutAnswers, *, has_threshold: bool = True
) -> HeldOutAnswers:
    """Return answers with ours where the two are equal but for rounding.

    Two runtimes of the same model differ in the last places, and many rows would make a
    sure gain of it. So do rows with equal probabilities of two labels, or one at the
    threshold: the last places choose the label, if the threshold is the same.
    """
    if judged.classes is None:
        is_same = share_of_allowed(theirs.predicted, judged.predicted, spread_of(judged.predicted))
        predicted = np.where(is_same <= 1, judged.predicted, theirs.predicted)
        return replace(theirs, predicted=predicted)
    if judged.probabilities is None or theirs.probabilities is None:
        return theirs
    order = [list(theirs.classes or ()).index(label) for label in judged.classes]
    differences = np.abs(theirs.probabilities[:, order] - judged.probabilities)
    is_same = differences.max(axis=1) <= TOLERANCE
    probabilities = theirs.probabilities.copy()
    probabilities[np.ix_(is_same, order)] = judged.probabilities[is_same]
    predicted = np.where(is_same & has_threshold, judged.predicted, theirs.predicted)
    return replace(theirs, predicted=predicted, probabilities=probabilities)


def _may_know(champion: StoredVersion, card: Description) -> bool:
    """Return whether the champion may have learnt from rows that are held out now.

    It has not if both were split alike: by the same seed, with fields that read a row alike or
    by the same groups. By time, it has not if it learnt of no later time than the new version.
    Rows that had to change sides are others in another table.
    """
    theirs, ours = champion.card["data"], card["data"]
    way = ours["split"].partition(",")[0].partition(":")[0]
    is_other = theirs.get("split") != ours["split"]
    is_moved = ", moved: " in ours["split"] and theirs["sha256"] != ours["sha256"]
    if way == "none" or is_other or is_moved:
        return True
    if way == "time":
        return theirs["held_out_from"] > ours["held_out_from"]
    is_read_alike = way == "group" or (
        _reading(champion.schema) == _reading(Schema.from_json(card["schema"]))
    )
    return champion.card["seed"] != card["seed"] or not is_read_alike


def _reading(schema: Schema) -> list[Any]:
    """Return what decides which values the cells of a row become."""
    names = ("name", "column", "categories", "synonyms")
    return sorted(repr([getattr(field, name, None) for name in names]) for field in schema.fields)


def _verdict(gain: Mapping[str, float]) -> str:
    if gain["low"] > 0:
        return "better"
    return "worse" if gain["high"] < 0 else "undecided"
