"""Writes the bytecode of what the service imports, valid whatever the times of the files are."""

import py_compile
import sys

# The last ones are imported where a setting asks for them: the log, PostgreSQL, a bucket.
import gunicorn.app.wsgiapp  # noqa: F401
import obstore.store  # noqa: F401
import psycopg  # noqa: F401
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401

import app  # noqa: F401

for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None) or ""
    if path.endswith(".py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(path, doraise=True, invalidation_mode=mode)
