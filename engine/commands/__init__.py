"""The command line: what `flask` can do beside serving."""

from engine.commands.candidates import canary, shadow
from engine.commands.keys import keys
from engine.commands.predict import predict
from engine.commands.retention import pin, prune, unpin
from engine.commands.versions import models

models.add_command(canary)
models.add_command(shadow)
models.add_command(prune)
models.add_command(pin)
models.add_command(unpin)

#: Every command; `app.py` hands them to Flask.
COMMANDS = (models, predict, keys)
