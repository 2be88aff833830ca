"""Which routes and which middleware an application has."""

from collections.abc import Iterable

from flask import Blueprint, Flask

from engine.api import catalog, errors, health, jobs, predict, prediction_log, prometheus, what_if
from engine.api.middleware.auth import check_access
from engine.api.middleware.order import add_middleware
from engine.api.openapi import document as openapi
from engine.api.process_metrics import Children
from engine.api.protocols import PROTOCOLS, phrases
from engine.api.protocols.vertex import check_routes
from engine.api.resources import KEY, Resources


def mount(app: Flask, shared: Resources, *, pages: Iterable[Blueprint], children: Children) -> None:
    """Add the middleware and all routes to an application, and what phrases their failures.

    Raise `RouteTaken` if a path that the platform chooses is another route's, and
    `LookupError` if `engine.api.middleware.auth.ACCESS` lacks a route.
    """
    app.extensions[KEY] = shared
    add_middleware(app, shared.spans)
    for routes in (
        health.blueprint(shared.models, shared.stopping),
        predict.blueprint(shared.predictor, max_table_bytes=shared.max_table_bytes),
        jobs.blueprint(shared),
        what_if.blueprint(shared.predictor),
        catalog.blueprint(shared.models),
        prediction_log.blueprint(shared),
        openapi.blueprint(shared),
        prometheus.blueprint(shared.metrics, children, shared.log, shared.reports),
        *(protocol.routes(shared) for protocol in PROTOCOLS),
        *pages,
    ):
        app.register_blueprint(routes)
    check_routes(app, shared)
    check_access(app)
    errors.init_app(app)
    shared.phrases.update(phrases(shared))
