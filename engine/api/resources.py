"""What the routes and the middleware of an application work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from flask import Flask, current_app, request

from engine.api.rate_counts import RateLimit
from engine.monitoring.drift_reports import DriftReports
from engine.monitoring.webhooks import Webhooks
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from engine.serving.prediction import Predictor
from engine.serving.prediction_log import PredictionLog
from engine.serving.shadow import Shadow
from persistence.callers import Callers
from persistence.idempotency_cache import IdempotencyCache
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_jobs import Jobs
from persistence.prediction_overview import PredictionOverview
from persistence.redis_answers import RedisAnswers

#: Where an application has its resources among its extensions.
KEY = "resources"

#: Where the environment of a request has its job, if it is answered later than it came; whatever a
#: client sends has other names there.
JOB = "prediction_job"


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The parts that an application shares between its requests.

    Attributes
    ----------
    origins : frozenset of str
        The origins whose pages may send requests from a browser.
    reports : DriftReports
        The last drift report of each model.
    database : PredictionDatabase
        The predictions that were logged; nothing is opened before it is used.
    overview : PredictionOverview
        The same log as pages show it, for which nobody waits long.
    prediction_days : int
        Days until a logged prediction is deleted; 0 for never.
    log : PredictionLog or None
        What logs predictions; None where nothing is logged.
    jobs : Jobs or None
        The predictions that are answered later; None where nothing is logged.
    webhooks : Webhooks
        Who may be told that a job is done.
    spans : Any
        `engine.api.middleware.tracing.Spans`; None where requests are not traced.
    progress_of : callable
        By the environment of a request, what gives its answer the whole time anew, if anything.
    answers : IdempotencyCache or RedisAnswers
        The answers that are given again to a request that comes again.
    phrases : dict
        By path, the `engine.api.errors.Phrase` of failures there and below it; by `text/html`, that
        of pages.
    version : str
        The version of the HTTP interface.
    workers : int
        How many processes answer requests.
    health_route, predict_route : str
        The paths that Vertex AI chooses; empty for none.
    trusts_prefix : bool
        Whether `X-Forwarded-Prefix` comes from a proxy.
    """

    predictor: Predictor
    metrics: Metrics
    shadow: Shadow
    callers: Callers
    limit: RateLimit
    origins: frozenset[str]
    logs_requests: bool
    reports: DriftReports
    database: PredictionDatabase
    overview: PredictionOverview
    spool_folder: Path
    prediction_days: int
    log: PredictionLog | None = None
    jobs: Jobs | None = None
    webhooks: Webhooks
    spans: Any = None
    progress_of: Callable[[Mapping[str, Any]], Callable[[], None] | None]
    answers: IdempotencyCache | RedisAnswers
    stopping: Event = field(default_factory=Event)
    phrases: dict[str, Callable[..., tuple[Any, ...]]] = field(default_factory=dict)
    service: str
    version: str
    max_table_bytes: int
    workers: int
    health_route: str
    predict_route: str
    trusts_prefix: bool

    @property
    def models(self) -> ModelCache:
        """The versions in memory."""
        return self.predictor.models


def running_job() -> Any:
    """Return the `RunningJob` of the request in progress; None where its client waits."""
    return request.environ.get(JOB)


def resources(app: Flask | None = None) -> Resources:
    """Return the resources of an application; by default of the one that has the request."""
    shared: Resources = (app or current_app).extensions[KEY]
    return shared
