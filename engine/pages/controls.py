"""The controls of a form: what each field's kind says of itself, for people.

In languages with a decimal comma, numbers are shown and may be written with one.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from engine.cards.sentences import word
from engine.languages import ENGLISH, language, local_number
from engine.languages import gettext as _
from engine.schema.card import Card
from engine.schema.fields import Field
from engine.schema.record_schema import Schema

#: What a field is called in the form; its own name follows.
PREFIX = "field."

#: More words than these are not listed: the field is a line of text.
_MOST_CHOICES = 500

#: Longer texts are written in a box.
_LONG = 200

#: Browsers and proxies cut longer addresses.
_LONGEST_ADDRESS = 2000

#: Thousands to those who write a decimal comma, a fraction to others: nobody knows which.
AMBIGUOUS = re.compile(r"-?[1-9]\d{0,2}\.\d{3}", re.ASCII)

#: A number with points between its thousands.
_GROUPED = re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+(,\d+)?", re.ASCII)

#: A number in a hint.
_LIMIT = re.compile(r"(?<!\w)-?\d[\d.]*(?!\w)", re.ASCII)

#: What the controls of dates send.
_SENT = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "datetime-local": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?"),
}


def label_of(field: Field) -> str:
    """Return how people read the name of a field."""
    return field.name.replace("_", " ")


def is_number(field: Field) -> bool:
    """Return whether a field holds a quantity."""
    return field.json_schema().get("type") in ("number", "integer")


def _has_comma(field: Field) -> bool:
    return language() != ENGLISH and is_number(field)


def typed_value(field: Field, text: str) -> Any:
    """Return the JSON value of what a person has typed, valid or not; None for a gap."""
    text = text.strip()
    if _has_comma(field):
        if AMBIGUOUS.fullmatch(text):
            return text  # which is refused, since it is text
        if _GROUPED.fullmatch(text):
            text = text.replace(".", "")
        if text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
    value = field.from_cell(text)
    return text if isinstance(value, (int, float)) and not _is_double(value) else value


def _is_double(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer with hundreds of digits
        return False


def _shown(field: Field, value: Any) -> str:
    """Return a JSON value as it stands in the control of a field."""
    if value is None:
        return ""
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    if _has_comma(field) and not isinstance(field.from_cell(text), str):
        return text.replace(".", ",")
    if field.control in _SENT and not _SENT[field.control].fullmatch(text):
        seconds = field.read(text)[0]
        return text if seconds is None else field.label(seconds)
    return text


def example_texts(schema: Schema, query: Mapping[str, str]) -> list[tuple[Field, str]]:
    """Return each field with what its control begins with: of an address, else its example."""
    return [
        (field, _shown(field, query.get(PREFIX + field.name, query.get(field.name, field.example))))
        for field in schema.fields
    ]


def link_to(texts: list[tuple[Field, str]]) -> str:
    """Return the query that fills a form with these texts; empty when it would be too long.

    Addresses are logged on their way, so they have no values of private fields.
    """
    values = {
        field.name: str(_canonical(typed_value(field, text)))
        for field, text in texts
        if not field.private
    }
    query = f"?{urlencode(values)}"
    return query if len(query) <= _LONGEST_ADDRESS else ""


def _canonical(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool) else value


def control(field: Field, text: str, problem: str, card: Card) -> dict[str, Any]:
    """Describe the control of a field that holds a text, and what is wrong with that."""
    labels = field.classes or ()
    choices = {_canonical(each) if isinstance(each, bool) else str(each): word(each)
               for each in labels[: _MOST_CHOICES + 1]}  # fmt: skip
    choices = choices if len(choices) <= _MOST_CHOICES else {}
    is_open = "unknown" in field.accepted() or (text != "" and text not in choices)
    sent = _SENT.get(field.control)
    return {
        "name": PREFIX + field.name,
        "label": label_of(field),
        "field": field,
        "text": text,
        "problem": _problem(field, text, problem) if problem else "",
        "choices": choices,
        "is_open": is_open,
        "is_long": field.json_schema().get("maxLength", 0) > _LONG,
        "type": field.control if sent and (not text or sent.fullmatch(text)) else "text",
        "is_number": is_number(field),
        "hint": _hint(field, choices, is_open=is_open),
        "slider": slider(field, text, card) if is_number(field) else None,
    }


def _hint(field: Field, choices: Mapping[str, str], *, is_open: bool) -> str:
    if choices:
        return _("Choose a word of the list, or write another.") if is_open else ""
    hint = field.hint().removesuffix(f" ({field.unit})")  # which the label has
    if is_number(field):
        hint = _LIMIT.sub(lambda limit: local_number(limit[0]), hint)
    return f"{hint[:1].upper()}{hint[1:]}." if hint else ""


def _problem(field: Field, text: str, detail: str) -> str:
    """Say what is wrong with a value; the hint says what is expected."""
    if _has_comma(field) and AMBIGUOUS.fullmatch(text.strip()):
        whole, fraction = text.strip().replace(".", ""), text.strip().replace(".", ",")
        return _("{text} may mean {whole} or {fraction}: write one of these.").format(
            text=text.strip(), whole=whole, fraction=fraction
        )
    expected = field.expected()
    if detail.endswith(expected):
        detail = detail.removesuffix(expected).rpartition(":")[0]
    value = typed_value(field, text)
    if _has_comma(field) and isinstance(value, (int, float)):
        detail = detail.replace(str(value), text.strip(), 1)  # as it was typed, with its comma
    label = label_of(field)
    return f"{label[:1].upper()}{label[1:]} {detail}."


def slider(field: Field, text: str, card: Card) -> dict[str, str] | None:
    """Return the ends, the step and the value of a slider.

    It covers the values that the version has learnt from and some beyond, inside the declared
    range; None where neither is known.
    """
    least, most = field.usual_range()
    edges = card.get("reference", {}).get(field.name, {}).get("edges") or [0]
    low, high, beyond = least, most, (edges[-1] - edges[0]) / 2
    if beyond > 0:
        low, high = max(least, edges[0] - beyond), min(most, edges[-1] + beyond)
        low = max(low, 0) if edges[0] >= 0 else low
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return None
    value = typed_value(field, text)
    if isinstance(value, (int, float)) and math.isfinite(value):
        low, high = min(low, value), max(high, value)
    step = 10.0 ** math.floor(math.log10((high - low) / 50))
    step = max(step, 1.0) if field.json_schema()["type"] == "integer" else step
    low, high = max(least, step * math.floor(low / step)), min(most, step * math.ceil(high / step))
    value = low if not isinstance(value, (int, float)) else value
    ends = {"low": low, "high": high, "step": step, "value": value}
    return {name: f"{number:.12g}" for name, number in ends.items()}
