"""What a version predicts and how well, in sentences for people who know no scores."""

from typing import Any

from engine.languages import gettext as _
from engine.languages import local_number
from engine.schema.card import Card
from engine.schema.messages import plain

#: More classes are counted, not listed.
_MOST_LISTED = 5


def prediction_of(card: Card) -> str:
    """Say what a version predicts."""
    target = card["schema"]["target"]
    name, unit = target["name"].replace("_", " "), target.get("unit", "")
    classes = [word(each) for each in card["classes"] or ()]
    if not classes and unit:
        return _("Predicts {name}, a number in {unit}.").format(name=name, unit=unit)
    if not classes:
        return _("Predicts {name}, a number.").format(name=name)
    if len(classes) > _MOST_LISTED:
        return _("Predicts {name}, one of {count} classes.").format(name=name, count=len(classes))
    return _("Predicts {name}: {first} or {last}.").format(
        name=name, first=", ".join(classes[:-1]), last=classes[-1]
    )


def quality_of(card: Card) -> str:
    """Say how good a version is on rows that it had not seen; empty without scores."""
    scores = card["scores"]
    name = card["score"] if card["score"] in _readings() else "accuracy"
    return reading_of(name, card) if name in scores else ""


def doubt_of(card: Card) -> str:
    """Say how often what comes with its answers held for rows it had not seen; empty without."""
    entry = card.get("uncertainty") or {}
    if not (measured := entry.get("measured")):
        return ""
    text = (
        _("Its answers come with a range that held the true value for {held} of 100 records "
          "(it should for {stated}).") if "edges" in entry else
        _("On request, its answers name all classes that are likely; the true one was among them "
          "for {held} of 100 records (it should be for {stated}).")
    )  # fmt: skip
    return text.format(held=of_hundred(measured["mean"]), stated=of_hundred(measured["coverage"]))


def meaning(score: str) -> str:
    """Say what a score is, and which direction is better."""
    return _meanings().get(score) or _("A score of the model file or of scikit-learn.")


def reading_of(score: str, card: Card) -> str:
    """Say what a score's value means, and what a model would reach that ignores its input."""
    guess = _("A model that ignores its input would reach {guess}.")
    unit, entry = card["schema"]["target"].get("unit", ""), card["scores"][score]
    value, baseline = entry["value"], entry["baseline"]
    return _readings().get(score, guess).format(
        of_hundred=of_hundred(max(0.0, value)), guess_of_hundred=of_hundred(baseline),
        value=_number(value), guess=_number(baseline), unit=f" {unit}" if unit else "",
    )  # fmt: skip


def of_hundred(share: float) -> str:
    """Write a share as a count of 100, with a decimal only where 0 or 100 would not be true."""
    is_near = 0 < share < 0.005 or 0.995 <= share < 1
    text = format(min(max(100 * share, 0.1), 99.9), ".1f") if is_near else f"{100 * share:.0f}"
    return local_number(text)


def score_title(score: str) -> str:
    """Return what people call a score; its own name where it is none of ours."""
    titles = {
        "accuracy": _("Share of right answers"), "roc_auc": _("Area under the ROC curve"),
        "log_loss": _("Log loss"), "mae": _("Mean absolute error"),
        "rmse": _("Root mean squared error"), "brier": _("Brier score"), "r2": "R²",
        "f1": "F1", "average_precision": _("Average precision"), "cost": _("Mean cost"),
    }  # fmt: skip
    return titles.get(score, score)


def word(label: Any) -> str:
    """Write a class or another value that is no quantity."""
    if isinstance(label, bool):
        return _("true") if label else _("false")
    return str(label)


def called(card: Card, label: Any) -> str:
    """Write a class in a sentence: of a target of true and false, by the name of the target."""
    name = card["schema"]["target"]["name"].replace("_", " ")
    if not isinstance(label, bool):
        return str(label)
    return name if label else _("not {name}").format(name=name)


def _number(value: float) -> str:
    return local_number(plain(value, 4))


def _readings() -> dict[str, str]:
    return {
        "accuracy": _(
            "Right for {of_hundred} of 100 records it had not seen. Always giving the most frequent"
            " answer is right for {guess_of_hundred}."
        ),
        "roc_auc": _(
            "Of two records with different true answers, it ranks the right one higher in "
            "{of_hundred} of 100 cases. A coin does in 50."
        ),
        "mae": _(
            "Off by {value}{unit} on average for records it had not seen. Always giving the same "
            "number is off by {guess}{unit}."
        ),
        "rmse": _(
            "Typically off by {value}{unit}, where large errors count more. Always giving the same "
            "number is off by {guess}{unit}."
        ),
        "r2": _("Explains {of_hundred}% of how the true values of unseen records differ."),
    }


def _meanings() -> dict[str, str]:
    return {
        "accuracy": _(
            "The share of records that get the right class. Higher is better, and 1 is perfect. "
            "Where one class is frequent, always answering it scores high, too: compare with the "
            "guess."
        ),
        "roc_auc": _(
            "How well the probabilities sort the records: 0.5 is chance, and 1 is a perfect order. "
            "Higher is better. It depends neither on the threshold nor on how frequent a class is."
        ),
        "log_loss": _(
            "How far the probabilities are from the truth: 0 is perfect, and lower is better. Being"
            " sure and wrong costs most."
        ),
        "brier": _(
            "The mean squared difference between the probability and what happened: 0 is perfect, "
            "and lower is better. It is low where probabilities can be taken at their word."
        ),
        "r2": _(
            "The share of the differences among the true values that the predictions explain. "
            "Higher is better: 1 is perfect, and 0 is no better than always predicting the mean."
        ),
        "mae": _("The mean size of the errors, in the unit of the target. Lower is better."),
        "rmse": _(
            "The root of the mean squared error, in the unit of the target. Lower is better. A few "
            "large errors weigh more than in the MAE."
        ),
        "f1": _(
            "The harmonic mean of precision (how many of those called positive are) and recall (how"
            " many of the positive are found), at the threshold. Higher is better, and 1 is "
            "perfect."
        ),
        "average_precision": _(
            "The mean precision over all thresholds. Higher is better: 1 is perfect, and chance is "
            "the share of the class. It suits a rare class better than the ROC AUC."
        ),
        "cost": _("The mean cost of a record, by the costs in the model file. Lower is better."),
    }
