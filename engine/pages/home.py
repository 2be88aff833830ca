"""The first page: the models that are served, each with what it predicts and how well."""

import logging
from functools import partial
from typing import Any

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api.negotiation import HTML, prefers_html
from engine.api.public_path import public_path
from engine.api.requests import may_see
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.cards.sentences import prediction_of, quality_of
from engine.pages.failures import failure_page
from engine.pages.layout import CONTENT_TYPE, confine, render
from engine.schema.card import Card
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
        """Show the models as cards; lead to the only one."""
        names = [*filter(may_see, shared.models.store.names())]
        if len(names) == 1:
            return redirect(_below(f"models/{names[0]}"))
        cards = [card for name in names if (card := _card(shared, name))]
        page = render(
            "models.html", service=shared.service, path=request.path,
            refused=len(names) - len(cards),
            models=[_described(card, shared.models.default) for card in cards],
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


def _described(card: Card, default: str) -> dict[str, Any]:
    return {
        "card": card, "prediction": prediction_of(card), "quality": quality_of(card),
        "trained": card["created_at"][:10], "is_default": card["model"] == default,
    }  # fmt: skip
