"""Prints the files of what the service imports, for compileall, a line each."""

import sys

# What is imported later: by gunicorn, or because a setting asks for it.
import gunicorn.app.wsgiapp
import gunicorn.workers.gthread  # noqa: F401
import obstore.store  # noqa: F401
import psycopg  # noqa: F401
import redis  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401

import app  # noqa: F401

paths = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
print("\n".join(sorted({path for path in paths if path.endswith(".py")})))
