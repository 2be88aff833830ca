"""The first page: the models that are served, each with what it predicts and how well."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api.middleware.auth import allows
from engine.api.negotiation import HTML, prefers_html
from engine.api.public_path import public_path
from engine.api.requests import may_see
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.cards.sentences import prediction_of, quality_of
from engine.pages.charts import bars, scale
from engine.pages.failures import failure_page
from engine.pages.layout import CONTENT_TYPE, confine, render
from engine.schema.card import Card
from persistence.database import DatabaseError
from persistence.store_errors import StoreError

_log = logging.getLogger(__name__)


def blueprint(shared: Resources) -> Blueprint:
    """Return the routes of the first page and of the list of models; failures become pages."""
    routes = Blueprint("home", __name__)
    shared.phrases[HTML] = partial(failure_page, service=shared.service)

    @routes.get("/")
    def show() -> AnyResponse:
        """Lead a browser to the models; report to a program that the process answers."""
        is_browser = prefers_html(request.headers.get("Accept", ""))
        response: AnyResponse = (
            redirect(_below("models")) if is_browser else json_response({"status": "alive"})
        )
        response.headers["Vary"] = "Accept"
        return response

    @routes.get("/models")
    def show_models() -> AnyResponse:
        """Show the models as cards; lead to the only one if it may be tried."""
        names = [*filter(may_see, shared.models.store.names())]
        if len(names) == 1 and allows("predict", names[0]):
            return redirect(_below(f"models/{names[0]}"))
        cards = [card for name in names if (card := _card(shared, name))]
        page = render(
            "models.html", service=shared.service, path=request.path,
            refused=len(names) - len(cards),
            models=[_described(card, shared.models.default) for card in cards],
            states={name: _state(shared, name) for name in names}, **_logged(shared, names),
        )  # fmt: skip
        return Response(page, content_type=CONTENT_TYPE)

    routes.after_request(confine)
    return routes


def _below(address: str) -> str:
    # A relative address stays below a proxy's path that nobody has told us.
    return f"{path}/{address}" if (path := public_path()) else address


def _card(shared: Resources, name: str) -> Card | None:
    try:
        return shared.models.card(name)
    except StoreError as error:
        _log.error("left out of the list: %s", error)
        return None


def _state(shared: Resources, name: str) -> str:
    """Return whether a model's promoted version is "ready", "refused" or not "loaded" yet."""
    if shared.models.refused(name):
        return "refused"
    return "ready" if shared.models.served(name) else "loaded"


def _logged(shared: Resources, names: Sequence[str]) -> dict[str, Any]:
    """Return the traffic of 24 hours, as a number and bars, and the last verdict on drift.

    Both are of models whose log the reader may see; there is no traffic where it is not read soon.
    """
    seen, first = [name for name in names if allows("log", name)], int(time.time() // 3600) - 23
    verdicts = {report.model: report.verdict for report in shared.reports.read()} if seen else {}
    traffic = {}
    try:
        found = shared.overview.traffic(seen, first) if shared.log and seen else {}
        for name in seen if shared.log else ():
            hours = [found.get(name, {}).get(first + hour, 0) for hour in range(24)]
            traffic[name] = sum(hours), bars([hours], scale(hours))[0]
    except DatabaseError as error:
        _log.error("the models are listed without their traffic: %s", error)
    return {"traffic": traffic, "verdicts": {name: verdicts.get(name) for name in seen}}


def _described(card: Card, default: str) -> dict[str, Any]:
    return {
        "card": card, "prediction": prediction_of(card), "quality": quality_of(card),
        "trained": card["created_at"][:10], "is_default": card["model"] == default,
    }  # fmt: skip
