"""How a new version does beside the promoted one, on the same held-out rows."""

from collections.abc import Mapping
from typing import Any, cast

import pandas as pd

from engine.runtime.loading import load_version
from engine.runtime.version import StoredVersion
from engine.schema.card import ChallengeEntry, Description
from engine.schema.record_schema import Schema
from engine.training.evaluation.bootstrap import interval, resamples
from engine.training.evaluation.judged import HeldOutAnswers, judge
from engine.training.evaluation.metrics import SCORES, applicable
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
    """Hold a new version against the promoted one, and decide whether it takes its place.

    Parameters
    ----------
    store : ModelStore or None
        Where the promoted version is; None when there is nothing to compare with.
    card : mapping
        The new version's, as far as it is known.
    judged : HeldOutAnswers
        Its answers to the held-out rows.
    table : DataFrame of shape (n_held_out, n_source_columns)
        The same rows, as they came: the promoted version reads them by its own schema.
    promote : {"always", "if-better", "never"}
        What is asked; ``if-better`` decides by the interval of the gain.

    Returns
    -------
    dict
        What the card keeps under ``challenge``; see docs/reference/card.md.
    """
    found: dict[str, Any] = {
        "asked": promote, "champion": None, "score": card["score"], "rows": None, "value": None,
        "champion_value": None, "gain": None, "may_know_rows": None,
    }  # fmt: skip
    verdict, said = "first", "nothing was promoted before"
    try:
        if store is not None:
            found["champion"] = store.promoted(card["model"])
            champion = load_version(store, card["model"], found["champion"])
            found |= _compare(champion, card, judged, table)
            verdict, said = _verdict(found)
    except ModelNotFound:
        pass
    except (Incomparable, UntrustedArtifact, VersionNotFound) as error:
        verdict = "incomparable"
        named = found["champion"] or "what is promoted"
        said = f"{named} cannot be compared on these rows: {error}"
    is_better = verdict in ("first", "better")
    is_chosen = promote == "always" or (promote == "if-better" and is_better)
    decided = "to be promoted" if is_chosen else "not to be promoted"
    asked = "" if promote == "if-better" else ", as asked"
    found |= {"verdict": verdict, "promote": is_chosen, "reason": f"{decided}{asked}: {said}"}
    return cast("ChallengeEntry", found)


def _compare(
    champion: StoredVersion, card: Description, judged: HeldOutAnswers, table: pd.DataFrame
) -> dict[str, Any]:
    score = SCORES[card["score"]]
    theirs = _judge(champion, card, judged, table)
    sign = 1 if score.is_better_higher else -1
    draws = [
        sign * (score.over(judged, counts) - score.over(theirs, counts))
        for counts in resamples(judged.truth, judged.classes, seed=card["seed"])
    ]
    ends = interval(draws)
    if ends is None:
        raise Incomparable(f"{len(judged.truth)} rows are too few to tell")
    value, champion_value = score.compute(judged), score.compute(theirs)
    gain = sign * (value - champion_value)
    return {
        "rows": len(judged.truth),
        "value": value,
        "champion_value": champion_value,
        "gain": {"value": gain, "low": ends[0], "high": ends[1]},
        "may_know_rows": _may_know(champion, card),
    }


def _judge(
    champion: StoredVersion, card: Description, judged: HeldOutAnswers, table: pd.DataFrame
) -> HeldOutAnswers:
    """Let the promoted version answer the rows, and see that it means the same by them."""
    try:
        X, y, _ = read_table(table, champion.schema, is_to_learn_from=False)
    except InvalidTable as error:
        raise Incomparable(f"its schema refuses them: {error.problems[0]}") from error
    theirs = champion.card
    for key in ("classes", "positive"):
        if _unordered(theirs[key]) != _unordered(card[key]):
            raise Incomparable(f"its {key} are {theirs[key]}, here they are {card[key]}")
    if y.tolist() != judged.truth.tolist():
        raise Incomparable("it reads other true values from them")
    predictions = champion.predict({str(name): X[name].tolist() for name in X.columns})
    found = judge(y.to_numpy(), predictions, classes=theirs["classes"], positive=theirs["positive"])
    if card["score"] not in applicable(found):
        raise Incomparable(f"it has no {card['score']}")
    return found


def _unordered(labels: Any) -> Any:
    return set(labels) if isinstance(labels, list) else labels


def _may_know(champion: StoredVersion, card: Description) -> bool:
    """Tell whether the champion may have learnt from rows that are held out now.

    It has not where both were split the same way: by the seed and by what the
    fields make of a row.
    """
    theirs, ours = champion.card, card
    return (
        theirs["data"].get("split") != ours["data"]["split"]
        or theirs["seed"] != ours["seed"]
        or _reading(champion.schema) != _reading(Schema.from_json(ours["schema"]))
    )


def _reading(schema: Schema) -> list[Any]:
    """Give all of a schema that tells which values a row's cells become."""
    words = ("name", "column", "categories", "synonyms")
    return sorted(repr([getattr(one, word, None) for word in words]) for one in schema.fields)


def _verdict(found: Mapping[str, Any]) -> tuple[str, str]:
    gain = found["gain"]
    if gain["low"] > 0:
        verdict, is_what = "better", "is better than"
    elif gain["high"] < 0:
        verdict, is_what = "worse", "is worse than"
    else:
        verdict, is_what = "undecided", "is not surely better than"
    said = (
        f"{found['score']} {found['value']:.4f} {is_what} {found['champion']}'s "
        f"{found['champion_value']:.4f} on the same {found['rows']} rows: "
        f"gain {gain['value']:+.4f}, 95 % interval {gain['low']:+.4f} to {gain['high']:+.4f}"
    )
    if found["may_know_rows"]:
        said += f"; {found['champion']} may have learnt from some of them, which favours it"
    return verdict, said
