"""Writes the bytecode of what the service imports, valid whatever the times of the files are."""

import py_compile
import sys

import app  # noqa: F401

for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None) or ""
    if path.endswith(".py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(path, doraise=True, invalidation_mode=mode)
