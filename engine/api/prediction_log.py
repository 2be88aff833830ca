"""The routes of the prediction log: what was predicted, and what became true of it."""

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, request
from msgspec.structs import asdict

from engine.api.errors import Failure, failure_response
from engine.api.paging import USUAL, Page, page_bounds, single
from engine.api.requests import whole_body
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.languages import gettext as _
from engine.records.media_types import charset_of, media_type
from engine.records.outcomes import read_outcomes, seconds_of
from engine.records.problems import BadRequest
from engine.schema.messages import shown
from engine.schema.record_schema import Schema
from persistence.prediction_entries import Outcomes, encode
from persistence.prediction_rows import PredictionRow, Selection
from persistence.prediction_spool import NoRoom

#: The place in the log after which a page begins.
PLACE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,20})?)-([0-9]{1,18})")

_FILTERS = ("id", "version", "since", "until", "identifier")


def read_selection(
    *, since: str | None = None, until: str | None = None, identifiers: Iterable[str] = (),
    **texts: Any,
) -> Selection:  # fmt: skip
    """Read which predictions are meant; raise `BadRequest` where a text cannot be read."""
    for text in (*texts.values(), *identifiers):
        if text is not None and "\0" in text:  # PostgreSQL takes it in no text
            raise BadRequest(
                400, _("{text} has a character that is none: leave it out").format(text=shown(text))
            )
    times = {"since": since, "until": until}
    values: dict[str, Any] = {name: seconds_of(text) for name, text in times.items()}
    for name, text in times.items():
        if text is not None and values[name] is None:
            remedy = _("send a date and time, as 2026-01-31T12:00:00Z")
            raise BadRequest(
                400,
                _("{name} is {text}: {remedy}").format(name=name, text=shown(text), remedy=remedy),
            )
    named = {}
    for text in identifiers:
        name, is_pair, value = text.partition("=")
        if not (name and is_pair and value):
            raise BadRequest(
                400, _("identifier is {text}: send NAME=VALUE, as order=7").format(text=shown(text))
            )
        named[name] = value
    return Selection(**texts, **values, identifiers=named)


def describe(row: PredictionRow) -> dict[str, Any]:
    """Return what JSON has of a prediction."""
    values = {name: value for name, value in asdict(row).items() if name != "place"}
    return {**values, "at": datetime.fromtimestamp(row.at, UTC).isoformat()}


def blueprint(shared: Resources) -> Blueprint:
    """Return the routes that read the log and take outcomes."""
    routes = Blueprint("prediction_log", __name__)

    @routes.get("/v0/models/<name>/predictions")
    def show(name: str) -> Response:
        """List the logged predictions of a model, the newest first."""
        shared.models.card(name)  # which there is
        limit, after = page_bounds(PLACE, *_FILTERS)
        length, place = limit or USUAL, after and PLACE.fullmatch(after)
        values: Any = {each: single(each) for each in _FILTERS if each != "identifier"}
        values["identifiers"] = request.args.getlist("identifier")
        found = shared.database.select(
            read_selection(model=name, **values), newest_first=True, most=length + 1,
            after=(float(place[1]), int(place[2])) if place else None,
        )  # fmt: skip
        rows = next(found, [])
        return _listed(name, rows, length)

    @routes.post("/v0/models/<name>/feedback")
    def tell(name: str) -> Response:
        """Take what became true, as JSON or CSV, to be stored soon."""
        schema = Schema.from_json(shared.models.card(name)["schema"])
        content_type = request.content_type or ""
        kind, charset = media_type(content_type), charset_of(content_type)
        outcomes = read_outcomes(whole_body(), kind, schema, charset=charset)
        source = g.key.name if g.get("key") else ""
        entry = Outcomes(name, source, time.time(), [tuple(outcome) for outcome in outcomes])
        if shared.log is None:
            detail = _("the prediction log is off, so no outcomes are taken: set PREDICTION_LOG")
            return failure_response(Failure(503, detail))
        try:
            shared.log.spool.append(encode([entry]), {})
        except NoRoom:
            detail = _("the outcomes cannot be stored now: try again as Retry-After says")
            response = failure_response(Failure(503, detail))
            response.headers["Retry-After"] = "1"
            return response
        response = json_response({"accepted": len(outcomes)})
        response.status_code = 202
        return response

    return routes


def _listed(model: str, rows: list[PredictionRow], length: int) -> Response:
    """Return a page of so many predictions, which no cache keeps."""
    last = rows[length - 1] if len(rows) > length else None
    page = Page([], f"{last.at!r}-{last.place}" if last else None, length)
    shown = [describe(row) for row in rows[:length]]
    response = json_response({"model": model, "predictions": shown, "next": page.next})
    response.headers["Cache-Control"] = "no-store"  # it has what callers have sent
    return page.link(response)
