"""Alive and ready: what a platform checks before it sends requests."""

import logging
from threading import Event

from flask import Blueprint, Response

from engine.api.errors import Failure, failure_response
from engine.api.responses import json_response
from engine.languages import gettext as _
from engine.records.http_date import http_date
from engine.serving.model_cache import ModelCache

_log = logging.getLogger(__name__)


def blueprint(models: ModelCache, stopping: Event) -> Blueprint:
    """Return the health routes; once `stopping` is set the service is not ready."""
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    def health() -> Response:
        """Greet, and report whether the default model answers."""
        greeting = {"msg": "Hello World! I'm up!", "now": http_date(), "status": "ok"}
        if reason := _degraded(models):
            greeting |= {"status": "degraded", "reason": reason}
        return json_response(greeting)

    @routes.get("/check_service")
    def check_service() -> Response:
        """Greet as the first service of tracks did."""
        return json_response({"Message": "Hello world from service"})

    @routes.get("/livez")
    def livez() -> Response:
        """Report that the process answers; needs neither model nor disk."""
        return json_response({"status": "alive"})

    @routes.get("/readyz")
    def readyz() -> Response:
        """Report whether the default model answers its worked example, and we do not stop."""
        if reason := not_ready(models, stopping):
            return failure_response(Failure(503, reason))
        version = models.get()  # perhaps newer than the version that was tested
        return json_response(
            {"status": "ready", "model": {"name": version.name, "version": version.version}}
        )

    return routes


def not_ready(models: ModelCache, stopping: Event) -> str | None:
    """Return why no requests should be sent here; None when they should."""
    if stopping.is_set():
        return _("the service is stopping: send the request to another instance")
    if trouble := _trouble(models):
        _log.error("not ready: %s", trouble)
        return _("the default model does not answer; the log says why")
    return None


def _degraded(models: ModelCache) -> str | None:
    """Return in what way the service is degraded, without the cause; None when it is not."""
    if _trouble(models):
        return _("the default model does not answer; the log says why")
    if refused := models.refused():
        subject = (
            _("version {version}").format(version=refused.version)
            if refused.version
            else _("the pointer")
        )
        return _(
            "{subject} of {default} is refused, {version} answers; "
            "/v0/models/{default} and the log say why"
        ).format(subject=subject, default=models.default, version=models.get().version)
    return None


def _trouble(models: ModelCache) -> str | None:
    try:
        return models.get().self_test()
    except Exception as error:  # noqa: BLE001  a model may fail in any way; it is not ready
        return f"{type(error).__name__}: {error}"
