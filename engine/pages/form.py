"""A form of each model: a person fills in a record, and reads the prediction as a sentence.

What is sent is an ordinary prediction: the same keys, limits, checks and observers. Every
failure at these addresses is a page as well; invalid values come back beside their problems.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, has_request_context, request
from msgspec import structs

from engine.api.errors import Failure, Phrased
from engine.api.middleware.auth import FORM_PATH, form_values
from engine.api.public_path import public_path
from engine.api.requests import choose_version, no_explanation
from engine.api.resources import Resources
from engine.api.responses import version_headers
from engine.pages.answer import shown_answer
from engine.pages.code_samples import code_samples
from engine.pages.controls import PREFIX, control, example_texts, link_to, typed_value
from engine.pages.failures import failure_page
from engine.pages.layout import CONTENT_TYPE, SCRIPT_HEADERS, confine, render
from engine.pages.table import answer_sent_table, file_name, place_problems, size_text
from engine.records.media_types import JSON
from engine.records.problems import PROBLEMS_LISTED, BadRequest, Problem
from engine.records.strict_json import write_json
from engine.schema.card import Card
from engine.schema.fields import Field
from engine.schema.record_schema import Schema
from engine.serving.additions import all_options
from engine.serving.request import Chosen


def blueprint(shared: Resources) -> Blueprint:
    """Return the routes of the forms; failures below it are phrased as pages from now on."""
    routes = Blueprint("form", __name__)
    shared.phrases[FORM_PATH] = partial(_phrase, shared)

    @routes.route(f"{FORM_PATH}/<name>", methods=["GET", "POST"])
    def page(name: str) -> Response:
        """Show the form of a model, and answer the record that it sends."""
        card = shared.models.card(name)
        schema = Schema.from_json(card["schema"])
        form = form_values()
        g.card, g.is_explained = card, "explain" in form  # for the page of a failure
        if not any(name.startswith(PREFIX) for name in form):
            g.is_explained = _explains(card)
            g.texts = example_texts(schema, request.args)
            return Response(_write(shared, card), content_type=CONTENT_TYPE)
        g.texts = [(field, form.get(PREFIX + field.name, "")) for field in schema.fields]
        chosen = choose_version(shared.predictor, write_json(_record(g.texts)), model=name)
        answer, reason = _answer(shared, chosen)
        version = chosen.version  # a candidate, perhaps
        shown = shown_answer(version.schema, answer["prediction"])
        notes = [Problem(**warning) for warning in answer.get("warnings", ())]
        page = _write(shared, version.card, notes, answer=shown, unexplained=reason)
        response = Response(page, content_type=CONTENT_TYPE)
        response.headers.update(version_headers(version))
        return response

    @routes.post(f"{FORM_PATH}/<name>/table")
    def table(name: str) -> Response:
        """Answer the table that the page of a model sends."""
        g.card = shared.models.card(name)
        schema = Schema.from_json(g.card["schema"])
        g.texts, g.is_explained, g.is_table = example_texts(schema, {}), _explains(g.card), True
        return answer_sent_table(shared, name)

    routes.after_request(partial(confine, headers=SCRIPT_HEADERS))
    return routes


def _record(texts: Sequence[tuple[Field, str]]) -> dict[str, Any]:
    return {field.name: typed_value(field, text) for field, text in texts}


def _explains(card: Card) -> bool:
    """Return whether the version of a card has a typical record, and numbers to explain."""
    return "reference.json" in card["files"] and bool(
        card["classes"] is None or card["has_probabilities"]
    )


def _answer(shared: Resources, chosen: Chosen) -> tuple[dict[str, Any], str]:
    """Return the answer, and why it has no explanation where one was wished for."""
    is_explained = g.is_explained and not no_explanation(chosen.version)
    options = all_options(chosen.version, is_explained=is_explained)
    reason = ""
    try:
        content = shared.predictor.answer(structs.replace(chosen, options=options), JSON)
    except BadRequest as error:
        if not is_explained or error.status != 422:
            raise
        reason = error.detail  # nothing was observed yet: the answer without it is the only one
        options = structs.replace(options, explain=False)
        content = shared.predictor.answer(structs.replace(chosen, options=options), JSON)
    assert isinstance(content, bytes)
    return json.loads(content), reason


def _phrase(shared: Resources, failure: Failure, request_id: str) -> Phrased:
    """Phrase a failure as a page: the form with its problems, or what is wrong with the request."""
    if not has_request_context() or "card" not in g or "texts" not in g:
        path = request.path if has_request_context() else f"{FORM_PATH}/"
        return failure_page(failure, request_id, service=shared.service, path=path)
    page = _write(shared, g.card, failure.problems[:PROBLEMS_LISTED], failure=failure)
    return Phrased(page.encode(), CONTENT_TYPE, SCRIPT_HEADERS)


def _write(
    shared: Resources, card: Card, problems: Sequence[Problem] = (), *,
    failure: Failure | None = None, answer: Mapping[str, Any] | None = None, unexplained: str = "",
) -> str:  # fmt: skip
    is_table = g.get("is_table", False)
    details = {} if is_table else {problem.pointer: problem.detail for problem in problems}
    schema = Schema.from_json(card["schema"])
    return render(
        "form.html", service=shared.service, path=request.path, card=card,
        failure=None if is_table else failure, refused=failure if is_table else None,
        row_problems=place_problems(problems, schema) if is_table else [],
        columns=[field.name for field in schema.fields], file_name=file_name(card["model"]),
        most=size_text(shared.max_table_bytes),
        controls=[control(field, text, details.pop(_pointer(field), ""), card)
                  for field, text in g.texts],
        others=[*details.values()], answer=answer, unexplained=unexplained, link=link_to(g.texts),
        is_explained=g.is_explained, can_explain=_explains(card), samples=_samples(shared, card),
    )  # fmt: skip


def _samples(shared: Resources, card: Card) -> dict[str, str]:
    """Return the code that sends what the form holds, by language."""
    query = "?explain=true" if g.is_explained and _explains(card) else ""
    place = f"{request.host_url.rstrip('/')}{public_path()}"
    address = f"{place}/v0/models/{card['model']}/predict{query}"
    return code_samples(address, _record(g.texts), has_key=shared.callers.need_keys)


def _pointer(field: Field) -> str:
    return "/" + field.name.replace("~", "~0").replace("/", "~1")
