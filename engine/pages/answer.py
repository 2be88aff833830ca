"""An answer as people read it: a sentence, how sure it is, and what moved it."""

import re
from collections.abc import Mapping
from typing import Any

from engine.cards.sentences import word
from engine.languages import gettext as _
from engine.languages import local_date, local_number
from engine.pages.controls import is_number, label_of
from engine.schema.fields import UNKNOWN, Field
from engine.schema.messages import plain
from engine.schema.record_schema import Schema

#: Numbers are written with so many digits.
_DIGITS = 5

#: The probabilities of more classes are not drawn.
_MOST_CLASSES = 10

#: Of an explanation, so many fields are named.
_MOST_REASONS = 6

#: A smaller change of a probability would be written as 0.
_LEAST_POINTS = 0.0005

#: Fields with these controls hold dates, which records often write so.
_DATED = ("date", "datetime-local")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](.+))?")


def shown_answer(schema: Schema, prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows of a prediction, as JSON has it.

    `now` is the answer in few words, which a later one is compared with.
    """
    target, value = schema.target, prediction["value"]
    text = _quantity(value, target) if target.classes is None else word(value)
    label, probability = label_of(target), prediction.get("probability")
    sentence = _("{target} is {value}.").format(target=label, value=text)
    if probability is not None:
        share = percent(probability)
        sentence = _("{target} is {value}, with a probability of {percent}.").format(
            target=label, value=text, percent=share
        )
        text = f"{text} {share}"
    return {
        "sentence": sentence[:1].upper() + sentence[1:],
        "now": text,
        "doubts": _doubts(target, prediction),
        "classes": _classes(target, prediction),
        "interval": _interval(target, prediction),
        "reasons": _reasons(schema, prediction.get("explanation", {})),
    }


def percent(share: float, digits: int = 1) -> str:
    """Write a share of 1; what is neither 0 nor 1 is not rounded to it."""
    least = 10.0 ** -(digits + 2)
    if 1 - least / 2 < share < 1:
        return _("more than {percent}").format(percent=percent(1 - least, digits))
    if 0 < share < least / 2:
        return _("less than {percent}").format(percent=percent(least, digits))
    return _("{number}%").format(number=local_number(f"{100 * share:.{digits}f}"))


def _quantity(number: float, field: Field) -> str:
    text = local_number(plain(number, _DIGITS))
    return f"{text} {field.unit}" if field.unit else text


def _doubts(target: Field, prediction: Mapping[str, Any]) -> list[str]:
    """Say how sure that is, as far as the version has an interval, a set or a distance."""
    texts = []
    if interval := prediction.get("interval"):
        low = local_number(plain(interval["low"], _DIGITS))
        texts.append(
            _("In {percent} of cases, the true value is {low} to {high}.").format(
                percent=percent(interval["coverage"], 0), low=low,
                high=_quantity(interval["high"], target),
            )
        )  # fmt: skip
    if entry := prediction.get("set"):
        others = [word(each) for each in entry["classes"] if each != prediction["value"]]
        also = _("Nothing else is likely.")
        if others:
            also = _("It could also be {classes}.").format(classes=_alternatives(others))
        named = _("In {percent} of cases, the true value is among those named.")
        texts.append(f"{also} {named.format(percent=percent(entry['coverage'], 0))}")
    if prediction.get("unfamiliar", {}).get("is_unfamiliar"):
        texts.append(_("This record is unlike all rows that the model learnt from."))
    return texts


def _alternatives(names: list[str]) -> str:
    """Write names as a sentence does: a, b or c."""
    return _(" or ").join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _classes(target: Field, prediction: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each class with its probability and the length of its bar, from 0 to 100."""
    shares = list(prediction.get("probabilities", {}).values())
    if not shares or len(shares) > _MOST_CLASSES:
        return []
    return [
        {"label": word(label), "text": percent(share), "length": round(100 * share, 1),
         "is_chosen": label == prediction["value"]}
        for label, share in zip(target.classes or (), shares, strict=True)
    ]  # fmt: skip


def _interval(target: Field, prediction: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the interval of a number, with the place of the number between 10 and 90."""
    if not (interval := prediction.get("interval")):
        return None
    low, high = interval["low"], interval["high"]
    place = (prediction["value"] - low) / ((high - low) or 1)
    ends = (local_number(plain(end, _DIGITS)) for end in (low, high))
    return {"at": round(10 + 80 * place, 1), "low": next(ends), "high": next(ends)}


def _reasons(schema: Schema, explanation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields that moved the answer most, each with a bar to the right or the left."""
    moved = [each for each in explanation.get("contributions", ()) if each["contribution"]]
    is_share = "class" in explanation
    if not moved or (is_share and abs(moved[0]["contribution"]) < _LEAST_POINTS):
        return None
    fields = {field.name: field for field in schema.fields}
    most = abs(moved[0]["contribution"])
    rows = []
    for entry in moved[:_MOST_REASONS]:
        change, field = entry["contribution"], fields[entry["field"]]
        if is_share and abs(change) < _LEAST_POINTS:
            break  # the others are smaller still
        length = round(50 * abs(change) / most, 1)
        rows.append({
            "label": label_of(field), "value": _read(field, entry["value"]),
            "text": _change(change, is_share=is_share), "length": length,
            "start": 50 if change > 0 else 50 - length, "is_more": change > 0,
        })  # fmt: skip
    typical = explanation["typical"]
    return {
        "rows": rows,
        "typical": percent(typical) if is_share else _quantity(typical, schema.target),
        "class": word(explanation["class"]) if is_share else "",
        "others": len(moved) - len(rows),
    }


def _read(field: Field, value: Any) -> str:
    """Return how people read the value of a field."""
    if value is None:
        return _("not known")
    if value == UNKNOWN:
        return _("a word that the model does not know")
    if is_number(field):
        return _quantity(value, field)
    if field.control in _DATED and (parts := _DATE.fullmatch(str(value))):
        return " ".join(filter(None, [local_date(parts[1]), parts[2]]))
    return word(value)


def _change(change: float, *, is_share: bool) -> str:
    size = f"{100 * abs(change):.1f}" if is_share else plain(abs(change), 3)
    text = f"{'+' if change > 0 else '−'}{local_number(size)}"  # noqa: RUF001  a minus
    return _("{number} points").format(number=text) if is_share else text
