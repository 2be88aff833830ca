"""The command line: what `flask` can do beside serving."""

from commands.keys import keys
from commands.predict import predict
from commands.versions import models

#: Every command; `app.py` hands them to Flask.
COMMANDS = (models, predict, keys)
