"""Prints the files of what the service imports, for compileall, a line each."""

import sys
from importlib import import_module

import app  # noqa: F401

#: What is imported later: by gunicorn and its workers, by other processes, or as a setting asks.
_LATER = (
    "apig_wsgi", "engine.monitoring.drain", "engine.worker.gunicorn_worker", "engine.worker.hooks",
    "gunicorn.app.wsgiapp", "gunicorn.glogging", "gunicorn.workers.gthread", "obstore.store",
    "psycopg", "redis", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite",
)  # fmt: skip

for name in _LATER:
    import_module(name)
paths = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
print("\n".join(sorted({path for path in paths if path.endswith(".py")})))
