"""Logged predictions as pages: the newest, and one found again with its explanation."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api.middleware.auth import allows
from engine.api.paging import page_bounds, single
from engine.api.prediction_log import PLACE
from engine.api.requests import no_explanation
from engine.api.resources import Resources
from engine.api.row_cost import count_rows
from engine.cards.sentences import word
from engine.languages import gettext as _
from engine.monitoring.log_rows import PRIVATE
from engine.pages.answer import percent
from engine.pages.layout import CONTENT_TYPE, confine, render
from engine.records.problems import BadRequest
from engine.runtime.answers import class_name
from engine.runtime.memory import NotEnoughMemory
from engine.schema.card import Card
from engine.schema.messages import plain, shown
from engine.schema.record_schema import Schema
from engine.serving.additions import explain_again
from engine.serving.loads import StillLoading
from persistence.prediction_rows import PredictionRow, Selection
from persistence.store_errors import StoreError

#: What `X-Prediction-Id` has: 32 digits, and behind them the number of a record of many.
_ID = re.compile(r"[0-9a-f]{32}(-[0-9]{1,9})?")

_LENGTH = 50

#: A longer address would not be taken.
_MOST_LETTERS = 3500


def blueprint(shared: Resources) -> Blueprint:
    """Return the routes of the pages."""
    routes = Blueprint("predictions", __name__)

    def page(template: str, card: Card, **values: Any) -> Response:
        text = render(template, service=shared.service, path=request.path, card=card, **values)
        return Response(text, content_type=CONTENT_TYPE)

    @routes.get("/models/<name>/predictions")
    def show_newest(name: str) -> AnyResponse:
        """List predictions, the newest first, or those with an id or an identifier."""
        card = shared.models.card(name)
        _limit, after = page_bounds(PLACE, "search")
        search = (single("search") or "").strip()
        if shared.log is None:
            return page("predictions.html", card, is_logged=False)
        rows = _find(shared, card, search, after)
        if len(rows) == 1 and _ID.fullmatch(search):
            return redirect(f"predictions/{rows[0].id}")
        identifiers = [*Schema.from_json(card["schema"]).identifiers]
        return page(
            "predictions.html", card, is_logged=True, search=search, rows=rows[:_LENGTH],
            following=_following(rows, search), identifiers=identifiers, is_first=after is None,
        )  # fmt: skip

    @routes.get("/models/<name>/predictions/<prediction_id>")
    def show(name: str, prediction_id: str) -> Response:
        """Show a prediction: the record, the answer, what became true, and why it was answered."""
        card = shared.models.card(name)
        if shared.log is None:
            return page("predictions.html", card, is_logged=False)
        row = _find_one(shared, name, prediction_id)
        if row is None:
            text = _("there is no logged prediction {prediction} of this model")
            raise BadRequest(404, text.format(prediction=shown(prediction_id)))
        explanation, reason = _explain(shared, row)
        return page(
            "prediction.html", card, row=row, percent=percent,
            **_written(card, row), outcomes=shared.overview.outcomes(row),
            explanation=explanation, reason=reason, again=_address(row),
            milliseconds=None if row.seconds is None else plain(1000 * row.seconds, 3),
        )  # fmt: skip

    routes.after_request(confine)
    return routes


def _written(card: Card, row: PredictionRow) -> dict[str, Any]:
    """Return the words of classes; and the request's id, unless the service itself has made it."""
    labels = {class_name(label): word(label) for label in card["classes"] or ()}
    return {"labels": labels, "request_id": "" if _ID.fullmatch(row.request_id) else row.request_id}


def _find(shared: Resources, card: Card, search: str, after: str | None) -> list[PredictionRow]:
    """Return the predictions of a page, and one more where there are more."""
    place = after and PLACE.fullmatch(after)
    begin = (float(place[1]), int(place[2])) if place else None
    for selection in _selections(card, search):
        found = shared.database.select(
            selection, newest_first=True, most=_LENGTH + 1, after=begin
        )  # fmt: skip
        if rows := next(found, []):
            return rows
    return []


def _following(rows: list[PredictionRow], search: str) -> str:
    """Return the query of the next page; empty after the last one."""
    if len(rows) <= _LENGTH:
        return ""
    last, address = rows[_LENGTH - 1], {"search": search} if search else {}
    return urlencode({**address, "after": f"{last.at!r}-{last.place}"})


def _selections(card: Card, search: str) -> list[Selection]:
    """Return what a text that is searched for may mean: an id, or the value of an identifier."""
    model = card["model"]
    if "\0" in search:  # PostgreSQL takes it in no text
        return []
    if not search or _ID.fullmatch(search):
        return [Selection(model=model, id=search or None)]
    name, is_pair, value = search.partition("=")
    if is_pair and value:
        return [Selection(model=model, identifiers={name.strip(): value.strip()})]
    named = Schema.from_json(card["schema"]).identifiers
    return [Selection(model=model, identifiers={name: search}) for name in named]


def _find_one(shared: Resources, model: str, prediction_id: str) -> PredictionRow | None:
    if not _ID.fullmatch(prediction_id):
        return None
    found = next(shared.database.select(Selection(model=model, id=prediction_id), most=1), [])
    return found[0] if found and found[0].id == prediction_id else None


def _explain(shared: Resources, row: PredictionRow) -> tuple[Mapping[str, Any] | None, str]:
    """Return the explanation by the version that has answered, or why there is none."""
    if row.record is None:
        return None, _("A table was logged by its digest, without its records.")
    if not allows("predict", row.model):
        return None, _("Your key lacks the scope predict, which an explanation needs.")
    if hidden := [name for name, value in row.record.items() if value == PRIVATE]:
        return None, _("These fields are private and not stored: {names}.").format(
            names=", ".join(hidden)
        )
    try:
        version = shared.models.get(row.model, row.version, is_named=False)
        if reason := no_explanation(version):
            return None, _("The version explains no answers: {reason}.").format(reason=reason)
        return explain_again(version, row.record, count_rows), ""
    except (StoreError, NotEnoughMemory, StillLoading):
        return None, _("The version that has answered cannot be loaded here now.")
    except (BadRequest, ValueError) as error:
        return None, _("The record cannot be explained: {reason}.").format(reason=error)


def _address(row: PredictionRow) -> str:
    """Return the query with which the form of the model has these values; empty if it is long."""
    values = {
        f"field.{name}": _text(value)
        for name, value in (row.record or {}).items()
        if value != PRIVATE
    }
    query = urlencode(values, quote_via=quote)
    return query if values and len(query) <= _MOST_LETTERS else ""


def _text(value: Any) -> str:
    if isinstance(value, float):
        return plain(value)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
