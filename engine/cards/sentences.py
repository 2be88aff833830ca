"""What a version predicts and how well, in sentences for people who know no scores."""

from engine.schema.card import Card, ScoreEntry
from engine.schema.messages import plain

#: More classes are counted, not listed.
_MOST_LISTED = 5


def prediction_of(card: Card) -> str:
    """Say what a version predicts."""
    target = card["schema"]["target"]
    name, unit = target["name"].replace("_", " "), target.get("unit", "")
    classes = [
        str(each).lower() if isinstance(each, bool) else str(each) for each in card["classes"] or ()
    ]
    if not classes:
        return f"Predicts {name}, a number" + (f" in {unit}." if unit else ".")
    if len(classes) > _MOST_LISTED:
        return f"Predicts {name}, one of {len(classes)} classes."
    return f"Predicts {name}: {', '.join(classes[:-1])} or {classes[-1]}."


def quality_of(card: Card) -> str:
    """Say how good a version is on rows that it had not seen; empty without scores."""
    scores = card["scores"]
    name = card["score"] if card["score"] in _SENTENCES else "accuracy"
    if name not in scores:
        return ""
    unit = card["schema"]["target"].get("unit", "")
    return _SENTENCES[name](scores[name], f" {unit}" if unit else "")


def _accuracy(score: ScoreEntry, unit: str) -> str:
    return (
        f"Right for {_percent(score['value'])} of 100 rows it had not seen. "
        f"Always giving the most frequent answer is right for {_percent(score['baseline'])}."
    )


def _area(score: ScoreEntry, unit: str) -> str:
    return (
        "Of two rows with different true answers, it ranks the right one higher in "
        f"{_percent(score['value'])} of 100 cases. A coin does in 50."
    )


def _error(score: ScoreEntry, unit: str) -> str:
    return (
        f"Off by {plain(score['value'], 4)}{unit} on average for rows it had not seen. "
        f"Always giving the same number is off by {plain(score['baseline'], 4)}{unit}."
    )


def _explained(score: ScoreEntry, unit: str) -> str:
    share = max(0.0, score["value"])
    return f"Explains {_percent(share)} % of how the true values of unseen rows differ."


def _percent(share: float) -> str:
    return format(100 * share, ".0f" if share < 0.995 else ".1f")


_SENTENCES = {
    "accuracy": _accuracy, "roc_auc": _area, "mae": _error, "rmse": _error, "r2": _explained,
}  # fmt: skip
