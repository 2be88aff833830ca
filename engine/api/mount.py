"""Which routes an application has."""

from collections.abc import Iterable

from flask import Blueprint, Flask

from engine.api import catalog, errors, health, predict, prometheus
from engine.api.middleware.auth import check_access
from engine.api.openapi import document as openapi
from engine.api.process_metrics import Children
from engine.api.protocols import PROTOCOLS, phrases
from engine.api.protocols.vertex import check_routes
from engine.api.resources import Resources


def mount(app: Flask, shared: Resources, *, pages: Iterable[Blueprint], children: Children) -> None:
    """Add all routes to an application, and what phrases their failures.

    Parameters
    ----------
    pages : iterable of Blueprint
        The routes of the pages for people.
    children : callable
        Lists the children of a process.

    Raises
    ------
    RouteTaken
        When a path that the platform chooses is another route's.
    LookupError
        When `engine.api.middleware.auth.ACCESS` lacks a route.
    """
    for routes in (
        health.blueprint(shared.models, shared.stopping),
        predict.blueprint(shared.predictor, max_table_bytes=shared.max_table_bytes),
        catalog.blueprint(shared.models),
        openapi.blueprint(shared),
        prometheus.blueprint(shared.metrics, children),
        *(protocol.routes(shared) for protocol in PROTOCOLS),
        *pages,
    ):
        app.register_blueprint(routes)
    check_routes(app, shared)
    check_access(app)
    errors.init_app(app)
    shared.phrases.update(phrases(shared))
