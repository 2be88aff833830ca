"""A form of each model: a person fills in a record, and reads the prediction as a sentence.

What is sent is an ordinary prediction: the same keys, limits, checks and observers. Every
failure at these addresses is a page as well; invalid values come back beside their problems.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, has_request_context, request
from msgspec import structs

from engine.api.errors import Failure, Phrased
from engine.api.middleware.auth import FORM_PATH, form_values
from engine.api.requests import choose_version, no_explanation
from engine.api.resources import Resources
from engine.api.responses import version_headers
from engine.pages.failures import failure_page
from engine.pages.layout import CONTENT_TYPE, HEADERS, confine, render
from engine.records.media_types import JSON
from engine.records.problems import PROBLEMS_LISTED, Problem
from engine.records.strict_json import write_json
from engine.schema.card import Card
from engine.schema.fields import Field
from engine.schema.messages import plain
from engine.schema.record_schema import Schema
from engine.serving.additions import all_options

#: What a field is called in the form; its own name follows.
_PREFIX = "field."

#: More words than these are not listed: the field is a line of text.
_MOST_CHOICES = 500

#: Longer texts are written in a box.
_LONG = 200

#: Of an explanation, so many fields are named.
_MOST_REASONS = 4

#: Numbers are written with so many digits.
_DIGITS = 5


def blueprint(shared: Resources) -> Blueprint:
    """Return the route of the forms; failures below it are phrased as pages from now on."""
    routes = Blueprint("form", __name__)
    shared.phrases[FORM_PATH] = partial(_phrase, shared.service)

    @routes.route(f"{FORM_PATH}/<name>", methods=["GET", "POST"])
    def page(name: str) -> Response:
        """Show the form of a model, and answer the record that it sends."""
        card = shared.models.card(name)
        schema = Schema.from_json(card["schema"])
        form = form_values()
        if not any(name.startswith(_PREFIX) for name in form):
            return _response(
                shared.service, card, [(field, _text(field.example)) for field in schema.fields]
            )
        texts = [(field, form.get(_PREFIX + field.name, "")) for field in schema.fields]
        g.card, g.texts = card, texts  # for the page of a failure
        record = {field.name: field.from_cell(text.strip()) for field, text in texts}
        chosen = choose_version(shared.predictor, write_json(record), model=name)
        is_explained = "explain" in form and not no_explanation(chosen.version)
        options = all_options(chosen.version, is_explained=is_explained)
        chosen = structs.replace(chosen, options=options)
        content = shared.predictor.answer(chosen, JSON)
        assert isinstance(content, bytes)
        answer = json.loads(content)
        notes = [Problem(**warning) for warning in answer.get("warnings", ())]
        version = chosen.version  # a candidate, perhaps
        sentence = _sentence(version.schema.target, answer["prediction"])
        doubts = _doubts(version.schema.target, answer["prediction"])
        response = _response(
            shared.service, version.card, texts, notes, answer=sentence, doubts=doubts
        )
        response.headers.update(version_headers(version))
        return response

    routes.after_request(confine)
    return routes


def _response(*parts: Any, answer: str = "", doubts: Sequence[str] = ()) -> Response:
    return Response(_write(*parts, answer=answer, doubts=doubts), content_type=CONTENT_TYPE)


def _phrase(service: str, failure: Failure, request_id: str) -> Phrased:
    """Phrase a failure as a page: the form with its problems, or what is wrong with the request."""
    if not has_request_context() or "card" not in g:
        path = request.path if has_request_context() else f"{FORM_PATH}/"
        return failure_page(failure, request_id, service=service, path=path)
    problems = failure.problems[:PROBLEMS_LISTED]
    page = _write(service, g.card, g.texts, problems, failure=failure)
    return Phrased(page.encode(), CONTENT_TYPE, HEADERS)


def _write(
    service: str, card: Card, texts: Sequence[tuple[Field, str]],
    problems: Sequence[Problem] = (), *,
    failure: Failure | None = None, answer: str = "", doubts: Sequence[str] = (),
) -> str:  # fmt: skip
    details: dict[str, str] = {problem.pointer: problem.detail for problem in problems}
    entries = [_entry(field, text, details.pop(_pointer(field), "")) for field, text in texts]
    return render(
        "form.html", service=service, path=request.path, card=card, entries=entries,
        others=[*details.values()], failure=failure, answer=answer, doubts=doubts,
    )  # fmt: skip


def _entry(field: Field, text: str, problem: str) -> dict[str, Any]:
    """Describe a field of the form by what every kind says of itself."""
    schema = field.json_schema()
    choices = [_text(label) for label in field.classes or ()]
    choices = choices if len(choices) <= _MOST_CHOICES else []
    is_date = schema.get("format") == "date" and re.fullmatch(r"(\d{4}-\d\d-\d\d)?", text)
    return {
        "name": _PREFIX + field.name,
        "label": field.name.replace("_", " "),
        "field": field,
        "text": text,
        "problem": problem,
        "choices": choices,
        "is_open": "unknown" in field.accepted() or text not in ("", *choices),
        "is_long": schema.get("maxLength", 0) > _LONG,
        "type": "date" if is_date else "text",
        "is_number": schema.get("type") in ("number", "integer"),
        "hint": "" if choices else field.expected(),
    }


def _pointer(field: Field) -> str:
    return "/" + field.name.replace("~", "~0").replace("/", "~1")


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _sentence(target: Field, prediction: Mapping[str, Any]) -> str:
    """Say what is predicted, and how probable that is."""
    value, probability = prediction["value"], prediction.get("probability")
    text = plain(value, _DIGITS) if isinstance(value, float) else _text(value)
    sentence = f"{target.name.replace('_', ' ')} is {text} {target.unit}".strip()
    if probability is None:
        return f"{sentence}."
    percent = "more than 99.9" if 0.999 < probability < 1 else f"{100 * probability:.1f}"
    return f"{sentence}, with a probability of {percent} %."


def _doubts(target: Field, prediction: Mapping[str, Any]) -> list[str]:
    """Say how sure that is, as far as the version has an interval, a set or a distance."""
    texts = []
    if interval := prediction.get("interval"):
        low, high = (plain(interval[end], _DIGITS) for end in ("low", "high"))
        unit = f" {target.unit}" if target.unit else ""
        texts.append(f"In {_percent(interval)} of cases, the true value is {low} to {high}{unit}.")
    if entry := prediction.get("set"):
        others = [_text(label) for label in entry["classes"] if label != prediction["value"]]
        also = f"It could also be {' or '.join(others)}" if others else "Nothing else is likely"
        texts.append(f"{also}. In {_percent(entry)} of cases, the true value is among those named.")
    if prediction.get("unfamiliar", {}).get("is_unfamiliar"):
        texts.append("This record is unlike all rows that the model learnt from.")
    explanation = prediction.get("explanation", {})
    reasons = explanation.get("contributions", ())[:_MOST_REASONS]
    if reasons and "class" in explanation:
        label = _text(explanation["class"])
        texts.append(f"Against a typical record, what moved the probability of {label}:")
    return texts + [f"{reason['text'][:1].upper()}{reason['text'][1:]}." for reason in reasons]


def _percent(entry: Mapping[str, Any]) -> str:
    return f"{100 * entry['coverage']:.0f} %"
