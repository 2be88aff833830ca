"""Writes the bytecode of what the service imports, valid whatever the times of the files are."""

import importlib
import py_compile
import sys

# The last ones are imported where a setting asks for them: the log, PostgreSQL, a bucket.
for name in ("app", "gunicorn.app.wsgiapp", "sqlalchemy.dialects.sqlite",
             "sqlalchemy.dialects.postgresql", "psycopg", "obstore.store"):  # fmt: skip
    importlib.import_module(name)
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None) or ""
    if path.endswith(".py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(path, doraise=True, invalidation_mode=mode)
