"""The parts of an application that its worker and gunicorn's hooks use."""

from dataclasses import dataclass
from threading import Event

from flask import Flask

from engine.api.fast_path.answer import FastPath
from engine.api.fast_path.rejections import Overload
from engine.serving.lifecycle import Lifecycle
from engine.serving.metrics import Metrics
from persistence.callers import Callers


@dataclass(frozen=True)
class Service:
    """What an application offers: `engine.worker.application.Application`."""

    app: Flask
    lifecycle: Lifecycle
    metrics: Metrics
    rejections: Overload
    fast_path: FastPath | None
    stopping: Event
    callers: Callers

    @property
    def max_body_bytes(self) -> int:
        """The longest body that the application reads; 0 for any length."""
        return self.app.config["MAX_CONTENT_LENGTH"] or 0

    @property
    def is_guarded(self) -> bool:
        """Whether a key is asked for, or the user has allowed access without one."""
        return self.callers.are_asked or self.callers.is_open
