"""The web service: which parts are plugged in.

Run it in one of three ways::

    python app.py           on this machine: prints an example to paste
    python app.py serve     in a container, on port 8080 unless the platform names another
    gunicorn app:app        anywhere
"""

import logging
import os
import shlex
import socket
import sys
import threading

from flask import Flask

from engine.api import (
    catalog,
    errors,
    health,
    log_format,
    predict,
    prometheus,
    trace_context,
)
from engine.api.fast_path.answer import FastPath
from engine.api.fast_path.rejections import Overload
from engine.api.middleware import (
    access_log,
    auth,
    cors,
    idempotency,
    rate_limit,
    request_id,
    request_metrics,
    server_timing,
)
from engine.api.openapi import document as openapi
from engine.api.protocols import PROTOCOLS, phrases
from engine.api.protocols.contract import RouteContext
from engine.api.protocols.vertex import RouteTaken, check_routes
from engine.api.rate_counts import Rate, RateLimit, RedisCounts, SharedCounts
from engine.api.statuses import REASONS
from engine.commands import COMMANDS
from engine.pages import api_docs
from engine.pages import version as version_page
from engine.records.strict_json import write_json
from engine.serving.lifecycle import Lifecycle
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from engine.serving.observers import Observers
from engine.serving.prediction import Predictor
from engine.serving.shadow import Shadow
from engine.worker.application import KEY, Application
from engine.worker.processes import children
from persistence.callers import Callers
from persistence.model_persistence import ModelStore
from persistence.store_errors import StoreError
from settings import InvalidSettings, Settings

_log = logging.getLogger(__name__)

#: What the service is called, wherever a person reads it.
NAME = "Pronto"

#: The version of what is answered over HTTP.
VERSION = "0"


def create_app(settings: Settings) -> Flask:
    """Make the application; nothing is opened before the first request."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False  # a double slash is not found, not redirected
    app.url_map.redirect_defaults = False  # nor is one address of a route to another
    models = ModelCache(_store(settings), settings.default_model, most=settings.versions_in_memory)
    app.extensions["models"] = models
    _add_predictor(app, models, settings)
    _observe(app, settings)
    _mount(app, settings)
    cors.init_app(app, _origins(settings))
    auth.init_app(app, _callers(settings))
    rate_limit.init_app(app, _rate_limit(settings))
    idempotency.init_app(app)
    for command in COMMANDS:
        app.cli.add_command(command)
    app.extensions[KEY] = _application(app, settings)
    return app


def _application(app: Flask, settings: Settings) -> Application:
    """Return what the worker and gunicorn's hooks use of the application."""
    metrics = app.extensions["metrics"]
    callers, stopping = app.extensions["callers"], app.extensions["stopping"]
    app.extensions["overload"] = Overload(
        app, most_seconds=settings.max_wait_seconds, answer_seconds=settings.max_answer_seconds
    )
    if settings.fast_path:
        predictor = app.extensions["predictor"]
        app.extensions["fast_path"] = FastPath(app, predictor, logs=settings.access_log)
    return Application(
        Lifecycle(
            app.extensions["models"], metrics, stopping,
            is_guarded=lambda: callers.are_asked or callers.is_open,
            remove=app.extensions["idempotency_cache"].remove,
        ),
        metrics,
        app.extensions["overload"],
        app.extensions.get("fast_path"),
        stopping,
        settings.max_body_bytes,
    )  # fmt: skip


def _store(settings: Settings) -> ModelStore:
    return ModelStore(
        settings.model_store, cache=settings.model_cache, signing_key=settings.signing_key
    )


def _mount(app: Flask, settings: Settings) -> None:
    """Plug in the routes."""
    models, predictor = app.extensions["models"], app.extensions["predictor"]
    app.extensions["stopping"] = stopping = threading.Event()
    context = _route_context(app, settings)
    for routes in (
        health.blueprint(models, stopping),
        predict.blueprint(predictor, max_table_bytes=settings.max_table_bytes),
        catalog.blueprint(models),
        version_page.blueprint(models),
        openapi.blueprint(context),
        api_docs.blueprint(service=NAME),
        prometheus.blueprint(app.extensions["metrics"], children),
        *(protocol.routes(context) for protocol in PROTOCOLS),
    ):
        app.register_blueprint(routes)
    check_routes(app, context)
    errors.init_app(app, forms=phrases(context))


def _add_predictor(app: Flask, models: ModelCache, settings: Settings) -> None:
    """Make what answers requests, and what is told of every decision."""
    slots = 4 * settings.web_concurrency + 4
    metrics = Metrics(models.in_memory, models.refused_versions, slots=slots, reasons=REASONS)
    shadow = Shadow(models, metrics)
    app.extensions |= {"metrics": metrics, "shadow": shadow}
    app.extensions["predictor"] = Predictor(models, Observers([metrics, shadow]))


def _observe(app: Flask, settings: Settings) -> None:
    """Name, count, trace and log every request."""
    request_metrics.init_app(app)
    if settings.access_log:
        access_log.init_app(app)
    request_id.init_app(app)
    trace_context.init_app(app)
    server_timing.init_app(app)
    if settings.otel_exporter_otlp_endpoint:
        _trace(app)


def _origins(settings: Settings) -> frozenset[str]:
    try:
        return cors.read_origins(settings.cors_origins)
    except ValueError as error:
        raise InvalidSettings(f"CORS_ORIGINS: {error}") from error


def _callers(settings: Settings) -> Callers:
    return Callers(settings.keys_file, api_key=settings.api_key, is_open=settings.open_access)


def _rate_limit(settings: Settings) -> RateLimit:
    text, redis = settings.rate_limit, settings.rate_limit_redis
    try:
        rate = Rate.read(text) if text else None
    except ValueError as error:
        raise InvalidSettings(f"RATE_LIMIT is {text!r}: give {error}") from error
    try:
        counts = RedisCounts(redis) if redis else SharedCounts()
    except ValueError as error:
        raise InvalidSettings(f"RATE_LIMIT_REDIS is {redis!r}: {error}") from error
    return RateLimit(rate, counts)


def _trace(app: Flask) -> None:
    try:
        from engine.api.middleware import tracing
    except ImportError as error:
        _log.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but nothing is traced: %s is not installed; "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http", error.name
        )  # fmt: skip
        return
    tracing.init_app(app, service=NAME)


def _route_context(app: Flask, settings: Settings) -> RouteContext:
    return RouteContext(
        app.extensions["predictor"],
        app.extensions["stopping"],
        service=NAME,
        version=VERSION,
        max_table_bytes=settings.max_table_bytes,
        workers=settings.web_concurrency,
        health_route=settings.aip_health_route,
        predict_route=settings.aip_predict_route,
    )


def serve() -> None:
    """Become gunicorn on all addresses, as the platforms that start a container expect."""
    os.environ["SAGEMAKER_BIND_TO_PORT"] = os.environ.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    os.execvp(sys.executable, [sys.executable, "-m", "gunicorn", "app:app"])  # noqa: S606


def main() -> None:
    """Serve on this machine: say where and how to ask, then become gunicorn."""
    os.environ["HOST"] = os.environ.get("HOST") or "127.0.0.1"  # whatever PORT is
    try:
        settings = Settings.from_environment()
        version = _store(settings).read_card(settings.default_model)
    except (InvalidSettings, StoreError) as error:
        sys.exit(f"app: {error}")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            sys.exit(
                f"app: cannot listen on {settings.address} ({reason}): "
                "stop what listens there, or choose another with PORT=8001"
            )
    address = f"http://{settings.address}"
    record = write_json(version["example"]["record"]).decode()
    callers = _callers(settings)
    key = " -H 'x-api-key: YOUR KEY'" if callers.are_asked else ""
    print(
        f"{NAME} serves {version['model']}, version {version['version']}, at {address}\n"
        f"Documentation: {address}/docs\n"
        "Try it:\n\n"
        f"curl -s {address}/v0/predict{key} -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(record)}\n",
        flush=True,
    )
    os.execvp(sys.executable, [sys.executable, "-m", "gunicorn", "app:app"])  # noqa: S606


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    main()
else:
    try:
        _settings = Settings.from_environment()
        log_format.init(_settings.log_format)
        app = create_app(_settings)
    except (InvalidSettings, RouteTaken) as error:
        sys.exit(f"app: {error}")
