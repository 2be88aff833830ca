"""The command line: what `flask` can do beside serving."""

from engine.commands.candidates import canary, shadow
from engine.commands.check_drift import check_drift
from engine.commands.deploy import deploy
from engine.commands.feedback import feedback, quality
from engine.commands.help_text import translate_help
from engine.commands.keys import keys
from engine.commands.predict import predict
from engine.commands.prediction_log import log
from engine.commands.retention import pin, prune, unpin
from engine.commands.versions import models
from engine.commands.work import work

for command in (canary, shadow, deploy, prune, pin, unpin):
    models.add_command(command)

#: Every command; `app.py` hands them to Flask.
COMMANDS = (models, predict, keys, log, feedback, quality, check_drift, work)
translate_help(COMMANDS)
