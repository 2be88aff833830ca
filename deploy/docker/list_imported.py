"""Prints the files of what the service imports, for compileall, a line each."""

import sys

import app  # noqa: F401

paths = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
print("\n".join(sorted({path for path in paths if path.endswith(".py")})))
