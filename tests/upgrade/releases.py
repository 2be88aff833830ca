"""A template with releases and a project made from one of them, for the tests of `make upgrade`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BIN = ("upgrade.py", "changes.py", "release.py", "repository.py", "merge_lock.py")

SETTINGS = """import os

PORT = os.environ.get("PORT", "8000")

HOST = "127.0.0.1"

THREADS = 4

COLOUR = "green"
"""

#: Stands for bin/setup: names this Python, and installs nothing.
SETUP = f"""#!/bin/sh
case "${{1:-}}" in
	python) echo "Python 3: {sys.executable}" ;;
	*) echo "setup $*" >>.venv/ran ;;
esac
"""

#: Stands for the interpreter of .venv, which has neither pip nor gunicorn.
PYTHON = f"""#!/bin/sh
echo "$*" >>.venv/ran
case "$*" in
	"-m pip check") exit 0 ;;
	"-m gunicorn"*) exec {sys.executable} -c 'import app' ;;
	*) exec {sys.executable} "$@" ;;
esac
"""

#: Stands for test_model.py: the engine has to answer as every stored version says.
TEST_MODEL = """import json, pathlib, sys
from engine.predict import answer
for card in pathlib.Path("artifacts").glob("*/*/card.json"):
    wanted = json.loads(card.read_text())["answer"]
    print(card, answer())
    if answer() != wanted:
        sys.exit(f"{card} says {wanted}")
"""


def lock(*, meta: str = "a", default: dict[str, str] | None = None) -> str:
    """Write a Pipfile.lock with packages in these versions."""
    packages = {"numpy": "1.0", "flask": "3.0"} if default is None else default
    content = {
        "_meta": {"hash": {"sha256": meta}, "sources": []},
        "default": {name: {"version": f"=={pin}"} for name, pin in packages.items()},
    }
    return json.dumps(content, indent=4, sort_keys=True) + "\n"


#: The first release.
FIRST = {
    "engine/VERSION": "release 0.1.0\ncontract 1\n",
    "engine/__init__.py": "",
    "engine/predict.py": "def answer():\n    return 42\n",
    "engine/old.py": "OLD = True\n",
    "persistence/store.py": "PLACE = 'artifacts'\n",
    "models/credit.py": "FIELDS = ['age']\n",
    "data/sample.csv": "age\n1\n",
    "deploy/alerts.yml": "alerts: 1\n",
    "docs/how-to/upgrade.md": "# Upgrade\n\n### Contract 1\n\nThe first.\n",
    "tests/test_it.py": "def test_it():\n    pass\n",
    "bin/setup": SETUP,
    "app.py": "import settings\n",
    "settings.py": SETTINGS,
    "test_model.py": TEST_MODEL,
    "Pipfile": '[packages]\nnumpy = "*"\nflask = "*"\n',
    "Pipfile.lock": lock(),
    "requirements.txt": "numpy==1.0\nflask==3.0\n",
    "README.md": "# The template\n",
    "CHANGELOG.md": "## 0.1.0\n",
    ".gitignore": "/.venv/\n/.setup/\n/artifacts/\n__pycache__/\n/secret.txt\n",
}

#: What the second changes; None is a file that it deletes.
SECOND: dict[str, str | None] = {
    "engine/VERSION": "release 0.2.0\ncontract 1\n",
    "engine/predict.py": "def answer():\n    return 40 + 2\n",
    "engine/old.py": None,
    "engine/api/new.py": "NEW = True\n",
    "persistence/store.py": "PLACE = 'store'\n",
    "models/credit.py": "FIELDS = ['age', 'income']\n",
    "models/sample.py": "FIELDS = []\n",
    "data/sample.csv": "age\n2\n",
    "deploy/alerts.yml": "alerts: 2\n",
    "deploy/more.yml": "more: 1\n",
    "tests/test_it.py": None,
    "tests/test_new.py": "def test_new():\n    pass\n",
    "settings.py": SETTINGS.replace("8000", "8080"),
    "Pipfile.lock": lock(meta="b", default={"numpy": "2.0", "flask": "3.0"}),
    "requirements.txt": "numpy==2.0\nflask==3.0\n",
    "README.md": "# The template, second edition\n",
    "CHANGELOG.md": "## 0.2.0\n\n## 0.1.0\n",
}

#: What the third changes in the second: files of users have to change for it.
THIRD: dict[str, str | None] = {
    "engine/VERSION": "release 0.3.0\ncontract 3\n",
    "docs/how-to/upgrade.md": "# Upgrade\n\n### Contract 1\n\nThe first.\n\n"
    "### Contract 2\n\nRename FIELDS.\n\n### Contract 3\n\nName a target.\n\n## Last\n\nEnd.\n",
}

#: The version that the project has stored, which is in no commit.
CARD = "artifacts/credit/20200102T030405Z-abcde/card.json"


class Repository:
    """A folder with a git repository, and the environment of somebody without any settings."""

    def __init__(self, folder: Path) -> None:
        """Make it, empty, or open the one that is there."""
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = folder.parent / "gitconfig"
        settings.write_text("[user]\n\tuseConfigOnly = true\n[init]\n\tdefaultBranch = main\n")
        dropped = ("MAKE", "MFLAGS", "GIT_", "PYTEST", "PORT")
        kept = {name: v for name, v in os.environ.items() if not name.startswith(dropped)}
        self.environment = kept | {
            "GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        if not (folder / ".git").exists():
            self.git("init", "-q", "--template=")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        """Run git in it, which must succeed."""
        done = self.run("git", "-c", "user.name=A", "-c", "user.email=a@b", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, files: "dict[str, str | None] | dict[str, str]") -> None:
        """Write files, or delete those that are None."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        if "bin/setup" in files:
            (self.folder / "bin/setup").chmod(0o755)

    def commit(self, subject: str) -> None:
        """Commit all that is not ignored."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)

    def read(self, name: str) -> str:
        """Read a file."""
        return (self.folder / name).read_text()

    def files(self) -> dict[str, tuple[bool, bytes]]:
        """Read every file but git's and .venv's: whether it may be run, and its content."""
        return {
            str(path.relative_to(self.folder)): (os.access(path, os.X_OK), path.read_bytes())
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.relative_to(self.folder).parts[0] not in (".git", ".venv")
        }

    def upgrade(self, *variables: str) -> subprocess.CompletedProcess[str]:
        """Run `make upgrade`; whatever comes of it, it is not a traceback of its own."""
        done = self.run("make", "upgrade", *filter(None, variables))
        assert 'upgrade.py", line' not in done.stderr + done.stdout
        return done

    def is_clean(self) -> bool:
        """Tell whether everything is committed."""
        return not self.git("status", "--porcelain")


def make_template(folder: Path) -> Repository:
    """Make a template with three releases and one that is not of the kind."""
    template = Repository(folder)
    template.write(FIRST)
    shutil.copy(ROOT / "makefile", folder)
    for name in BIN:
        shutil.copy(ROOT / "bin" / name, folder / "bin")
    template.commit("First")
    template.git("tag", "v0.1.0")
    template.write(SECOND)
    template.commit("Second")
    template.git("tag", "-a", "-m", "The second", "v0.2.0")
    template.write(THIRD)
    template.commit("Third")
    template.git("tag", "v0.3.0")
    template.git("tag", "vague")
    return template


def make_project(folder: Path, template: Repository) -> Repository:
    """Make a project of its own history from the first release, with changes of its user."""
    project = Repository(folder)
    template.git("archive", "--format=tar", "-o", str(folder / "first.tar"), "v0.1.0")
    project.run("tar", "xf", "first.tar")
    (folder / "first.tar").unlink()
    project.commit("Start from the template")
    project.write(
        {
            "models/credit.py": "FIELDS = ['salary']  # ours\n",
            "models/churn.py": "FIELDS = ['visits']\n",
            "settings.py": SETTINGS.replace("green", "blue"),
            "README.md": "# Our service\n",
            "notes.txt": "ours\n",
            "deploy/alerts.yml": None,
        }
    )
    project.commit("Make it ours")
    python = folder / ".venv/bin/python"
    project.write({".venv/bin/python": PYTHON, CARD: '{"answer": 42}', "untracked.txt": "ours\n"})
    python.chmod(0o755)
    project.write({".git/info/exclude": "/untracked.txt\n"})
    return project


#: Both sides change this line.
CLASH: dict[str, str | None] = {"settings.py": SETTINGS.replace("8000", "9000")}


RESOLVED = SETTINGS.replace("8000", "9090")


WRONG: dict[str, str | None] = {"engine/predict.py": "def answer():\n    return 41\n"}


def to_second(
    project: Repository, template: Repository, *more: str
) -> subprocess.CompletedProcess[str]:
    """Upgrade the project to the second release."""
    return project.upgrade(f"from={template.folder}", "version=0.2.0", *more)


def assert_refused(done: subprocess.CompletedProcess[str], *phrases: str) -> None:
    """See that an upgrade was refused with a sentence that holds these phrases."""
    assert done.returncode != 0
    assert "upgrade: " in done.stderr
    assert [] == [phrase for phrase in phrases if phrase not in done.stderr], done.stderr


def break_second(template: Repository, files: dict[str, str | None]) -> None:
    """Move the second release to one with these files."""
    template.git("checkout", "-q", "v0.2.0")
    template.write(files)
    template.commit("Break it")
    template.git("tag", "-f", "v0.2.0")
