"""The command line: what `flask` can do beside serving."""

from commands.candidates import canary, shadow
from commands.keys import keys
from commands.predict import predict
from commands.retention import pin, prune, unpin
from commands.versions import models

models.add_command(canary)
models.add_command(shadow)
models.add_command(prune)
models.add_command(pin)
models.add_command(unpin)

#: Every command; `app.py` hands them to Flask.
COMMANDS = (models, predict, keys)
