"""The first page: the models that are served, each with what it predicts and how well."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api.catalog import find_card
from engine.api.middleware.auth import allows
from engine.api.negotiation import HTML, prefers_html
from engine.api.public_path import public_path
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.cards.sentences import prediction_of, quality_of
from engine.pages.charts import bars, scale
from engine.pages.failures import failure_page
from engine.pages.layout import CONTENT_TYPE, confine, render
from engine.schema.card import Card
from persistence.database import DatabaseError

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
        """Show the models that the caller may open as cards; lead to one if it may be tried."""
        names = [name for name in shared.models.store.names()
                 if any(allows(scope, name) for scope in ("read", "predict", "log"))]  # fmt: skip
        if len(names) == 1 and allows("predict", names[0]):
            return redirect(_below(f"models/{names[0]}"))
        cards = [card for name in names if (card := find_card(shared.models, name))]
        page = render(
            "models.html", service=shared.service, path=request.path,
            refused=len(names) - len(cards), has_key=g.get("key") is not None,
            models=[_described(card, shared.models.default) for card in cards],
            states={name: _state(shared, name) for name in names}, **_logged(shared, names),
        )  # fmt: skip
        return Response(page, content_type=CONTENT_TYPE)

    routes.after_request(confine)
    return routes


def _below(address: str) -> str:
    # A relative address stays below a proxy's path that nobody has told us.
    return f"{path}/{address}" if (path := public_path()) else address


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
