"""`flask work`: the process that answers jobs."""

import os
import signal

import click
from flask import current_app

from engine.api.job_runner import JobRunner
from engine.api.resources import resources
from engine.commands.output import CommandError, CommandResult, command_output
from engine.languages import gettext as _
from engine.serving.clock import Clock
from engine.serving.hot_swap import watch
from engine.serving.lifecycle import follow_keys


@click.command()
@command_output
def work() -> CommandResult:
    """Answer the requests that came with Prefer: respond-async, one after the other.

    Run it beside the service, with the same settings, as often as jobs are to be
    answered at a time. SIGTERM ends it: another process goes on with its job.

    \b
    Examples:
      flask work
    """
    shared = resources()
    if shared.jobs is None or shared.log is None:
        raise CommandError(_("there are no jobs without the prediction log: set PREDICTION_LOG"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: shared.stopping.set())
    watch(shared.models, shared.metrics, shared.stopping)
    follow_keys(shared.callers, shared.stopping)
    Clock((shared.callers.look, shared.log.look), shared.stopping).start()
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    runner = JobRunner(app, shared.jobs, shared.webhooks, shared.stopping)
    click.echo(_("process {number} answers jobs").format(number=os.getpid()), err=True)
    Clock([runner.run_due], shared.stopping).run()
    return CommandResult({}, "")
