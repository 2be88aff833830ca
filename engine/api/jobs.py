"""Predictions that are asked for now and answered later: `Prefer: respond-async` (RFC 7240)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from flask import Blueprint, Response, g, request

from engine.api.errors import Failure, failure_response
from engine.api.public_path import public_path
from engine.api.requests import CANARY_KEY
from engine.api.resources import Resources, resources
from engine.api.responses import respond
from engine.languages import gettext as _
from engine.languages import language
from engine.records.problems import BadRequest
from engine.records.spool import room_on_disk
from engine.records.strict_json import write_json
from engine.records.upload import Upload
from engine.schema.messages import shown
from persistence.prediction_jobs import ANYBODY, Job, Jobs, TooManyJobs

#: The headers of a request that its answer depends on, beside its language and its id.
_HEADERS = ("Accept", "Content-Type", CANARY_KEY, "traceparent")


def is_for_later() -> bool:
    """Return whether the request in progress is to be answered later, and can be."""
    wishes = request.headers.get("Prefer", "").lower().split(",")
    names = {wish.partition(";")[0].strip() for wish in wishes}
    return "respond-async" in names and resources().jobs is not None


def accept(body: bytes | Upload) -> Response:
    """Store the request in progress as a job; raise `BadRequest` where no more are taken."""
    shared, webhook = resources(), request.headers.get("Webhook", "")
    assert shared.jobs is not None
    if webhook and webhook not in shared.webhooks.addresses:
        known = ", ".join(shared.webhooks.addresses) or _("none is set in WEBHOOKS")
        detail = _("Webhook is {name}: name one of the settings ({known})")
        raise BadRequest(400, detail.format(name=shown(webhook), known=known))
    headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    headers |= {"Accept-Language": language(), "X-Request-Id": g.request_id}
    asked: dict[str, Any] = {"path": request.path, "query": request.query_string.decode("latin-1")}
    try:
        with room_on_disk():
            asked |= {"headers": headers, "prefix": public_path()}
            job = shared.jobs.receive(_owner(), asked, webhook, _pieces(body))
    except TooManyJobs as error:
        detail = _("too many jobs are unfinished: try again as Retry-After says, or delete some")
        return _refuse(429 if error.args[0] else 503, detail, seconds=60)
    response = _show(job)
    response.status_code = 202
    response.headers["Location"] = f"{public_path()}/v0/jobs/{job.id}"
    response.headers["Preference-Applied"] = "respond-async"
    return response


def describe(job: Job, prefix: str) -> dict[str, Any]:
    """Return what JSON has of a job, whose addresses are below a path."""
    place = f"{prefix}/v0/jobs/{job.id}"
    return {
        "id": job.id, "status": job.state, "rows": job.rows,
        **{name: moment and datetime.fromtimestamp(moment, UTC).isoformat() for name, moment in (
            ("created", job.created), ("started", job.started), ("finished", job.finished))},
        "links": {"self": place, "result": f"{place}/result"},
    }  # fmt: skip


def blueprint(shared: Resources) -> Blueprint:
    """Return the routes of the jobs."""
    routes = Blueprint("jobs", __name__)

    def find(identifier: str, *others: str) -> tuple[Jobs, Job]:
        jobs, states = shared.jobs, ("queued", "running", "done", "failed", *others)
        job = jobs.find(identifier) if jobs and "\0" not in identifier else None
        if not (jobs and job and job.owner == _owner() and job.state in states):
            raise BadRequest(404, _("there is no job {name} here").format(name=shown(identifier)))
        return jobs, job

    @routes.get("/v0/jobs/<identifier>")
    def show(identifier: str) -> Response:
        """Show how far a job is."""
        return _show(find(identifier)[1])

    @routes.get("/v0/jobs/<identifier>/result")
    def show_result(identifier: str) -> Response:
        """Give the answer that the request would have had without waiting."""
        jobs, job = find(identifier)
        if job.answer is None:
            detail = _("the job is {state}: ask again as Retry-After says").format(state=job.state)
            return _refuse(409, detail, seconds=1)
        parts = jobs.read(job.answer)
        response = Response(chain([next(parts)], parts), status=job.answer["status"])
        response.headers.update(job.answer["headers"])
        response.content_length = job.answer["size"]
        response.headers["Cache-Control"] = "no-store"
        return response

    @routes.delete("/v0/jobs/<identifier>")
    def remove(identifier: str) -> Response:
        """Cancel a job, or delete its answer."""
        jobs, job = find(identifier, "deleted")
        jobs.remove(job)
        return Response(status=204)

    return routes


def _show(job: Job) -> Response:
    return respond(write_json(describe(job, public_path())) + b"\n")


def _refuse(status: int, detail: str, *, seconds: int) -> Response:
    response = failure_response(Failure(status, detail))
    response.headers["Retry-After"] = str(seconds)
    return response


def _owner() -> str:
    return g.key.id if g.get("key") else ANYBODY


def _pieces(body: bytes | Upload) -> Iterable[bytes]:
    """Yield the body as it arrives; each piece gives its answer the whole time anew."""
    upload = body if isinstance(body, Upload) else Upload.of(body)
    while piece := upload.read(2**18):
        g.timing.note_progress()
        yield piece
