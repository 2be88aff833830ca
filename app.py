"""The web service: which parts are plugged in.

Run it in one of three ways::

    python app.py           on this machine: prints an example to paste
    python app.py serve     on a platform, on port 8080 unless it names another
    gunicorn app:app        anywhere
"""

import logging
import os
import shlex
import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask

from engine.api import log_format
from engine.api.fast_path.answer import FastPath
from engine.api.fast_path.rejections import Rejections
from engine.api.job_runner import JobRunner
from engine.api.middleware import cors
from engine.api.mount import mount
from engine.api.protocols.vertex import RouteTaken
from engine.api.rate_counts import Rate, RateLimit, RedisCounts, SharedCounts
from engine.api.resources import Resources
from engine.api.statuses import REASONS
from engine.commands import COMMANDS
from engine.monitoring.drift_reports import DriftReports
from engine.monitoring.webhooks import Webhooks
from engine.pages import (
    api_docs,
    dashboard,
    form,
    home,
    language_choice,
    predictions,
    sign_in,
    version,
    versions,
)
from engine.records.strict_json import write_json
from engine.serving.lifecycle import Lifecycle
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from engine.serving.observers import Observers
from engine.serving.prediction import Predictor
from engine.serving.prediction_log import PredictionLog
from engine.serving.shadow import Shadow
from engine.worker.application import KEY, Application, progress_of
from engine.worker.processes import children
from persistence.bucket.keys import BucketKeys
from persistence.callers import Callers
from persistence.idempotency_cache import IdempotencyCache
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_jobs import Jobs
from persistence.prediction_overview import PredictionOverview
from persistence.prediction_spool import PredictionSpool
from persistence.redis_answers import RedisAnswers
from persistence.store_errors import StoreError
from settings import InvalidSettings, Settings, print_any_word

_log = logging.getLogger(__name__)

#: Seconds that a request or a command waits for one answer of the prediction log's database.
_LOG_SECONDS = 10.0

#: The name of the service, wherever a person reads it.
NAME = "Pronto"


def create_app(settings: Settings) -> Flask:
    """Return the application; nothing is opened before the first request."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False  # a double slash is not found, not redirected
    app.url_map.redirect_defaults = False  # nor is one address of a route to another
    shared = _resources(settings)
    pages = (
        home.blueprint(shared),
        sign_in.blueprint(shared),
        language_choice.blueprint(),
        form.blueprint(shared),
        dashboard.blueprint(shared),
        predictions.blueprint(shared),
        version.blueprint(shared.models, service=NAME),
        versions.blueprint(shared),
        api_docs.blueprint(shared),
    )
    mount(app, shared, pages=pages, children=children)
    for command in COMMANDS:
        app.cli.add_command(command)
    run_jobs = None
    if shared.jobs and settings.jobs_in_web:
        run_jobs = JobRunner(app, shared.jobs, shared.webhooks, shared.stopping).run_due
    app.extensions[KEY] = Application(
        Lifecycle(
            shared.models, shared.metrics, shared.stopping,
            callers=shared.callers, answers=shared.answers, log=shared.log,
            run_jobs=run_jobs,
        ),
        shared.metrics,
        Rejections(
            app, most_seconds=settings.max_wait_seconds, answer_seconds=settings.max_answer_seconds
        ),
        FastPath(app, shared) if settings.fast_path else None,
        shared.stopping,
        settings.max_body_bytes,
    )  # fmt: skip
    return app


def _resources(settings: Settings) -> Resources:
    # A request that waits for a load is to be answered before its thread is given up.
    patience = 0.8 * settings.max_answer_seconds or None
    models = ModelCache(
        _store(settings), settings.default_model,
        most=settings.versions_in_memory, patience=patience,
    )  # fmt: skip
    slots = 4 * settings.web_concurrency + 4
    metrics = Metrics(models.in_memory, models.refused_versions, slots=slots, reasons=REASONS)
    shadow, log = Shadow(models, metrics), _prediction_log(settings, metrics)
    return Resources(
        predictor=Predictor(models, Observers([metrics, shadow, *([log] if log else [])])),
        log=log,
        jobs=_jobs(settings) if log else None,
        webhooks=_webhooks(settings),
        metrics=metrics,
        shadow=shadow,
        callers=_callers(settings),
        limit=_limit(settings),
        answers=_redis(settings, RedisAnswers) or IdempotencyCache(),
        origins=_parsed("CORS_ORIGINS", settings.cors_origins, cors.read_origins) or frozenset(),
        logs_requests=settings.access_log,
        reports=DriftReports(
            settings.prediction_folder, settings.drift_webhook, settings.drift_webhook_secret
        ),
        database=PredictionDatabase(_log_address(settings), seconds=_LOG_SECONDS),
        overview=PredictionOverview(_log_address(settings)),
        spool_folder=settings.prediction_folder,
        prediction_days=settings.prediction_days,
        spans=_spans() if settings.otel_exporter_otlp_endpoint else None,
        progress_of=progress_of,
        service=NAME,
        version="0",  # of the HTTP interface
        max_table_bytes=settings.max_table_bytes,
        workers=settings.web_concurrency,
        health_route=settings.aip_health_route,
        predict_route=settings.aip_predict_route,
        trusts_prefix=settings.forwarded_prefix,
    )


def _limit(settings: Settings) -> RateLimit:
    counts = _redis(settings, RedisCounts) or SharedCounts()
    return RateLimit(_parsed("RATE_LIMIT", settings.rate_limit, Rate.read), counts)


def _redis(settings: Settings, use: Callable[[str], Any]) -> Any:
    """Return what uses Redis; no message has its address, which may have a password."""
    try:
        return use(settings.shared_redis) if settings.shared_redis else None
    except ValueError as error:
        raise InvalidSettings(f"SHARED_REDIS cannot be used: {error}") from None


def _log_address(settings: Settings) -> str:
    folder = settings.prediction_folder.resolve()
    return settings.database_url or f"sqlite:///{folder}/log.sqlite3"


def _prediction_log(settings: Settings, metrics: Metrics) -> PredictionLog | None:
    """Return what logs predictions; None where nothing is logged."""
    mode, has_library = settings.prediction_log, find_spec("sqlalchemy") is not None
    if mode in ("async", "sync") and not has_library:
        needs = "pip install -r requirements-serve-log.txt"
        raise InvalidSettings(f"PREDICTION_LOG is {mode!r}: install SQLAlchemy, {needs}, or off")
    if mode == "off" or not has_library:
        if not mode:
            _log.info("predictions are not logged: SQLAlchemy is not installed")
        return None
    folder = settings.prediction_folder
    return PredictionLog(
        PredictionSpool(folder, most=settings.prediction_spool_bytes),
        is_sync=mode == "sync", refuses=settings.prediction_log_full == "refuse",
        count_unlogged=metrics.count_unlogged,
        environment={
            "DATABASE_URL": _log_address(settings),
            "PREDICTION_DAYS": str(settings.prediction_days),
            "PREDICTION_LOG": mode,
        },
    )  # fmt: skip


def _jobs(settings: Settings) -> Jobs:
    place = settings.job_store or settings.prediction_folder / "jobs"
    return Jobs(_log_address(settings), place, days=settings.job_days, most=settings.max_jobs)


def _webhooks(settings: Settings) -> Webhooks:
    if settings.webhooks and not settings.webhook_secret:
        raise InvalidSettings("WEBHOOKS is set, but WEBHOOK_SECRET is not: set it, to sign with")
    pairs = (pair.strip().split("=", 1) for pair in settings.webhooks.split(",") if pair)
    return Webhooks(dict(pairs), settings.webhook_secret)


def _store(settings: Settings) -> ModelStore:
    return ModelStore(
        settings.model_store, cache=settings.model_cache, signing_key=settings.signing_key
    )


def _callers(settings: Settings) -> Callers:
    file = settings.keys_file
    keys = file if isinstance(file, Path) else BucketKeys(file, settings.model_cache)
    return Callers(keys, api_key=settings.api_key, is_open=settings.open_access)


def _parsed(variable: str, text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text) if text else None
    except ValueError as error:
        raise InvalidSettings(f"{variable} is {text!r}: {error}") from error


def _spans() -> Any:
    """Return what traces requests; None, and a warning, when it is not installed."""
    try:
        from engine.api.middleware.tracing import Spans
    except ImportError as error:
        _log.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but nothing is traced: %s is not installed; "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http", error.name
        )  # fmt: skip
        return None
    return Spans(NAME)


def main() -> None:
    """Check that this machine can serve, and print an example request."""
    try:
        Settings.from_environment()  # Puts what `.env` says into the environment.
        os.environ["HOST"] = os.environ.get("HOST") or "127.0.0.1"  # even when PORT is set
        settings = Settings.from_environment()
        card = _store(settings).read_card(settings.default_model)
    except (InvalidSettings, StoreError) as error:
        sys.exit(f"app: {error}")
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            sys.exit(
                f"app: cannot listen on {settings.address} ({reason}): "
                "stop what listens there, or choose another port with PORT=8001"
            )
    address = f"http://{settings.address}"
    record = write_json(card["example"]["record"]).decode()
    key = " -H 'x-api-key: YOUR KEY'" if _callers(settings).need_keys else ""
    print(
        f"{NAME} serves {card['model']}, version {card['version']}, at {address}\n"
        f"Documentation: {address}/docs\nForm: {address}/models/{card['model']}\nTry it:\n\n"
        f"curl -s {address}/v0/predict{key} -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(record)}\n",
        flush=True,
    )


print_any_word()
if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["serve"]):
        sys.exit(f"app: unknown argument {' '.join(sys.argv[1:])!r}: give `serve`, or none")
    if sys.argv[1:] == ["serve"]:
        try:
            Settings.from_environment()  # gunicorn itself reads WEB_CONCURRENCY, with a traceback
        except InvalidSettings as error:
            sys.exit(f"app: {error}")
        os.environ["SAGEMAKER_BIND_TO_PORT"] = os.environ.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    else:
        main()
    os.execvp(sys.executable, [sys.executable, "-m", "gunicorn", "app:app"])  # noqa: S606
else:
    try:
        _settings = Settings.from_environment()
        log_format.init(_settings.log_format)
        app = create_app(_settings)
    except (InvalidSettings, RouteTaken) as error:
        print(f"app: {error}", file=sys.stderr)
        # Of a command of flask 1 has a meaning, as drift; wrong usage is 2.
        sys.exit(2 if os.environ.get("FLASK_RUN_FROM_CLI") == "true" else 1)
