"""Answers jobs: each request as if it came now, and its answer goes to the store."""

import logging
import tempfile
import time
from contextlib import closing, suppress
from threading import Event
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from engine.api.errors import Failure, phrase
from engine.api.jobs import describe
from engine.api.middleware.idempotency import HEADERS
from engine.api.resources import JOB
from engine.languages import gettext as _
from engine.monitoring.webhooks import NotSent, Webhooks
from engine.records.strict_json import write_json
from persistence.database import DatabaseError
from persistence.prediction_jobs import Job, Jobs
from persistence.store_errors import StoreUnavailable

_log = logging.getLogger(__name__)

#: How often a job is begun whose process is killed, or that the service fails to answer.
MOST_ATTEMPTS = 5

#: Seconds until an answer is tried again, and after each attempt to tell a webhook.
PAUSE, PAUSES = 10.0, (5, 30, 300, 1800, 7200, 18_000, 36_000)

#: Seconds between two renewals of a job, and between two deletions of old ones.
RENEW_SECONDS, _PRUNE_SECONDS = 2.0, 3600.0


class Stopped(BaseException):
    """The job is cancelled, or this process stops."""


class RunningJob:
    """A job that this process answers, as the request knows it."""

    def __init__(self, job: Job, jobs: Jobs, stopping: Event) -> None:
        self.job = job
        self._jobs, self._stopping, self._next_renewal = jobs, stopping, 0.0

    def note_progress(self) -> None:
        """Keep the job; raise `Stopped` where its answer is not to be made here."""
        if self._stopping.is_set():
            raise Stopped
        if time.monotonic() >= self._next_renewal:
            self._next_renewal = time.monotonic() + RENEW_SECONDS
            with suppress(DatabaseError):  # it may do so the next time
                if not self._jobs.renew(self.job):
                    raise Stopped

    def keep_version(self, version: str) -> None:
        """Let this version answer, however often the job is begun: its rows may be logged."""
        if self.job.request.get("version") != version:
            self._jobs.keep_version(self.job, version)


class JobRunner:
    """Does what is due of the jobs, one after the other."""

    def __init__(self, app: Flask, jobs: Jobs, webhooks: Webhooks, stopping: Event) -> None:
        self._app, self._jobs, self._webhooks, self._stopping = app, jobs, webhooks, stopping
        self._next_prune = 0.0

    def run_due(self) -> None:
        """Do all that is due; call it once a second."""
        if not self._jobs.may_exist:
            return
        while not self._stopping.is_set() and (job := self._jobs.claim()):
            try:
                (self._answer if job.state == "running" else self._tell)(job)
            except (DatabaseError, StoreUnavailable, OSError) as error:  # its lease will end
                _log.error("job %s waits: %s", job.id, error)
        if time.monotonic() >= self._next_prune:
            self._next_prune = time.monotonic() + _PRUNE_SECONDS
            self._jobs.prune()

    def _answer(self, job: Job) -> None:
        if job.attempts > MOST_ATTEMPTS:  # it may be what kills the processes
            detail = _("the job was begun {count} times and never answered: send fewer rows")
            failure = Failure(500, detail.format(count=MOST_ATTEMPTS))
            content, kind = phrase(failure, job.request["headers"]["X-Request-Id"])
            return self._jobs.finish(job, 500, {"Content-Type": kind}, [content])
        with tempfile.TemporaryFile() as body:
            for part in self._jobs.read(job.request):
                body.write(part)
            body.seek(0)
            try:
                self._replay(job, body)
            except Stopped:
                self._jobs.release(job, attempts=job.attempts - 1)

    def _replay(self, job: Job, body: Any) -> None:
        asked = job.request
        builder = EnvironBuilder(
            asked["path"], query_string=asked["query"], method="POST", headers=asked["headers"],
            input_stream=body, content_length=asked["size"],
            environ_overrides={JOB: RunningJob(job, self._jobs, self._stopping)},
        )  # fmt: skip
        with self._app.app_context():  # a command's own would show a job what another left in `g`
            answer, status_line, headers = run_wsgi_app(self._app.wsgi_app, builder.get_environ())
        status = int(status_line.split()[0])
        with closing(answer):  # type: ignore[type-var]
            if status >= 500 and job.attempts < MOST_ATTEMPTS:
                self._jobs.keep_version(job, "")  # another may be able to
                self._jobs.release(job, PAUSE)
            else:
                shown = {name: headers[name] for name in HEADERS if name in headers}
                self._jobs.finish(job, status, shown, answer)

    def _tell(self, job: Job) -> None:
        """Tell the webhook of a job; it may be told twice, with the same id."""
        self._jobs.tidy(job)
        if not job.webhook:
            return
        data = describe(job, job.request.get("prefix", ""))
        told: dict[str, Any] = {"type": f"job.{job.state}", "data": data}
        body = write_json({**told, "timestamp": told["data"]["finished"]})
        try:
            self._webhooks.send(job.webhook, job.id, body)
        except (NotSent, KeyError) as error:
            is_last = job.attempts > len(PAUSES)
            _log.warning("job %s: %s%s", job.id, error, ", given up" if is_last else "")
            self._jobs.release(job, None if is_last else PAUSES[job.attempts - 1])
        else:
            self._jobs.release(job, None)
