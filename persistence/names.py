"""What models and versions may be called: nothing else becomes part of a path."""

import re

#: What a model may be called: it stands in addresses and folder names.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

#: What a version is called: its UTC time and the beginning of its card's digest.
VERSION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{5}")

#: The name that a person may give a version: never an identifier, which has capital letters.
VERSION_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
