"""What an application offers to its worker and to gunicorn's hooks."""

from dataclasses import dataclass
from threading import Event

from flask import Flask

from engine.api.fast_path.answer import FastPath
from engine.api.fast_path.rejections import Rejections
from engine.api.resources import Resources
from engine.serving.lifecycle import Lifecycle
from engine.serving.metrics import Metrics


@dataclass(frozen=True)
class Service:
    """The application side of `engine.worker.application.Application`."""

    app: Flask
    resources: Resources
    lifecycle: Lifecycle
    rejections: Rejections
    fast_path: FastPath | None

    @property
    def metrics(self) -> Metrics:
        """The counts of the application."""
        return self.resources.metrics

    @property
    def stopping(self) -> Event:
        """Set once this process begins to stop."""
        return self.resources.stopping

    @property
    def max_body_bytes(self) -> int:
        """The longest body that the application reads; 0 for any length."""
        return self.app.config["MAX_CONTENT_LENGTH"] or 0

    @property
    def is_guarded(self) -> bool:
        """Whether requests need a key, or the user has allowed access without one."""
        return self.resources.callers.are_asked or self.resources.callers.is_open
