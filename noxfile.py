"""The checks of the code as nox sessions: `make test-deps`, then `.venv/bin/nox -s lint`.

`lint`, `types` and `bandit` run in the environment that `make test-deps` has installed. `tests`
makes one from the same lock for each Python that this machine has, and `audit` one for its tool.
"""

import sys

import nox

#: The oldest is that of .python-version.
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

nox.options.envdir = ".setup/nox"
nox.options.sessions = ["lint", "types", "bandit"]
nox.options.error_on_missing_interpreters = False


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check the style and the traps that ruff knows."""
    session.run(sys.executable, "-m", "ruff", "check", ".")
    session.run(sys.executable, "-m", "ruff", "format", "--check", ".")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check the types."""
    session.run(sys.executable, "-m", "mypy")


@nox.session(venv_backend="none")
def bandit(session: nox.Session) -> None:
    """Look for what is dangerous in what is deployed."""
    session.run(sys.executable, "-m", "bandit", "-q", "-r", ".", "-c", "pyproject.toml")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the everyday tests on each Python: `.venv/bin/nox -s tests-3.12 -- -k schema`."""
    files = ["-r", "requirements.txt", "-r", "requirements-dev.txt"]
    session.install("--require-hashes", *files)
    session.run("python", "-m", "engine.runtime.compile_exact")
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Ask the advisories of Python packages for every version that is locked."""
    session.install("pip-audit")
    locked = ["requirements.txt", "requirements-jobs.txt", "requirements-dev.txt"]
    files = [word for name in locked for word in ("-r", name)]
    session.run("pip-audit", "--require-hashes", "--disable-pip", *files)
