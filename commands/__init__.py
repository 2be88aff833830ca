"""The command line: what `flask` can do beside serving."""

from commands.candidates import canary, shadow
from commands.keys import keys
from commands.predict import predict
from commands.versions import models

models.add_command(canary)
models.add_command(shadow)

#: Every command; `app.py` hands them to Flask.
COMMANDS = (models, predict, keys)
