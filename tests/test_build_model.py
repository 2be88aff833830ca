"""The commands a person types, in a copy of the project with a model of their own."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.support.project import ROOT, copy_project
from tests.support.runtimes import RUN_FILE
from tests.support.toys import loan

ASK = """
import json, sys
from app import create_app
from settings import Settings
client = create_app(Settings.from_environment()).test_client()
answer = client.post("/v0/models/mine/predict", json=json.loads(sys.argv[1]))
print(json.dumps([answer.status_code, answer.json]))
"""

ASK_BUILD = """
import contextlib, io, json, sys
from build_model import main
found = []
for words in sys.argv[1:]:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        with contextlib.redirect_stdout(io.StringIO()):
            status = main(words.split())
    found.append([status, said.getvalue()])
print(json.dumps(found))
"""


def run(project: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose only model is models/mine.py, with a table of its own."""
    copy = copy_project(tmp_path_factory.mktemp("copy") / "project")
    shutil.copy(ROOT / "tests/support/toys/loan.py", copy / "models/mine.py")
    loan.write_table(copy / "data/mine.csv")
    return copy


@pytest.fixture(scope="module")
def project(copy: Path) -> Path:
    """The copy, with a version of its model."""
    done = run(copy, "build_model.py", "mine")
    assert (0, "") == (done.returncode, done.stderr)
    return copy


def store(project: Path) -> ModelStore:
    return ModelStore(project / "artifacts")


@pytest.mark.slow
def test_copy_of_the_sample_when_changed_trains_and_serves_without_another_file(
    project: Path,
) -> None:
    record = store(project).read_card("mine")["example"]["record"]

    check = run(project, "test_model.py", "mine")
    done = run(project, "-c", ASK, json.dumps(record))
    wrong = run(project, "-c", ASK, json.dumps({**record, "seniority": 1}))

    assert (0, "") == (check.returncode, check.stderr)
    assert "roc_auc" in check.stdout
    assert "models/mine.py predicts approved from 4 fields" in check.stdout
    assert json.loads(done.stdout)[1]["model"]["name"] == "mine"
    assert [
        json.loads(wrong.stdout)[0],
        json.loads(wrong.stdout)[1]["errors"][0]["pointer"],
    ] == [422, "/seniority"]


@pytest.mark.slow
def test_build_when_repeated_elsewhere_gives_the_same_export(project: Path, tmp_path: Path) -> None:
    moved = tmp_path / "another place"
    shutil.copytree(project, moved, ignore=shutil.ignore_patterns("artifacts"))

    done = run(moved, "build_model.py", "mine", PYTHONHASHSEED="7", OMP_NUM_THREADS="2")

    assert (0, "") == (done.returncode, done.stderr)
    digests = set()
    for one in (project, moved):
        version = store(one).versions("mine")[0]
        content = (one / "artifacts/mine" / version / RUN_FILE).read_bytes()
        digests.add(hashlib.sha256(content).hexdigest())
    assert 1 == len(digests)


@pytest.mark.slow
def test_build_when_it_runs_prints_a_line_per_step_and_gives_the_name(project: Path) -> None:
    done = run(project, "build_model.py", "mine", "--promote", "never", "--version", "v1")
    again = run(project, "build_model.py", "mine", "--promote", "never", "--version", "v1")

    assert 0 == done.returncode
    named = store(project).identifier("mine", "v1")
    assert [named, "v1"] == [
        *store(project).versions("mine")[-1:],
        *store(project).pointer("mine").named,
    ]
    assert f"{named} has the name v1" in done.stdout
    assert (1, "") == (again.returncode, again.stdout), "nothing was trained"
    assert f"mine has a version v1 already, {named}: give another name" in again.stderr
    steps = re.findall(r"^  (\w+) +[\d.]+ s  (?!still)", done.stdout, flags=re.MULTILINE)
    assert list(dict.fromkeys(steps)) == [
        "read",
        "split",
        "fit",
        "export",
        "score",
        "importances",
        "compare",
        "uncertainty",
        "store",
        "promote",
    ]
    assert re.search(r"^  promote .*not to be promoted, as asked: ", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_promotion_when_asked_if_better_keeps_the_better_version(project: Path) -> None:
    before = store(project).promoted("mine")

    same = run(project, "build_model.py", "mine", "--promote", "if-better")

    assert 0 == same.returncode
    assert f"is not surely better than {before}'s" in same.stdout
    assert "may have learnt" not in same.stdout
    assert before == store(project).promoted("mine")
    assert len(store(project).versions("mine")) >= 2


@pytest.mark.slow
def test_build_when_a_version_is_there_and_absent_is_asked_does_nothing(project: Path) -> None:
    versions = store(project).versions("mine")

    done = run(project, "-X", "importtime", "build_model.py", "mine", "--if-absent")

    assert f"mine: version {store(project).promoted('mine')} is there\n" == done.stdout
    assert versions == store(project).versions("mine")
    assert not re.search(r"\| +(sklearn|pandas|onnxruntime)$", done.stderr, flags=re.MULTILINE)


WRONG = "mine --data wrong.csv"
FILES = ("absent", "empty", "binary")
NEVER = "torn --version v1 --promote never"


@pytest.fixture(scope="module")
def refused(copy: Path) -> dict[str, Any]:
    """Status and words of the command for each of these, asked in one process."""
    lines = (copy / "data/mine.csv").read_text().splitlines()[:40]
    cells = [line.split(",")[:-1] for line in lines]
    cells[1][1] = "7"
    cells[2][2] = "pirate"
    (copy / "wrong.csv").write_text("\n".join(",".join(line) for line in cells) + "\n")
    (copy / "empty.csv").write_bytes(b"")
    (copy / "binary.csv").write_bytes(b"\xff\xfe\x00")
    (copy / "models/torn.py").write_text("defintion = None\n")
    loan_file = (ROOT / "tests/support/toys/loan.py").read_text()
    (copy / "models/stopped.py").write_text(
        loan_file.replace("return pd.read_csv", "raise KeyboardInterrupt\n    return pd.read_csv")
    )
    (copy / "models/strange.py").write_text(
        loan_file.replace("return pd.read_csv", "return Strange(); pd.read_csv")
        + "class Strange(pd.DataFrame):\n"
        "    def reset_index(self, **options):\n        raise LookupError('São is lost')\n"
    )
    (copy / "models/odd.py").write_text(
        "from engine.schema import Category\nfrom models import schema\n"
        "definition = schema.ModelDefinition(title='', target=schema.Flag(name='t', example=True),"
        "fields=(Category(name='a', example='x', categories=('y',)),), sample=None,"
        "load_data=None, build_pipeline=None, score='roc_auc')\n"
    )
    strange, stopped = "strange --data data/mine.csv", "stopped --data data/mine.csv"
    asked = (
        "nothing",
        WRONG,
        "torn",
        "odd",
        strange,
        stopped,
        *(WRONG.replace("wrong", file) for file in FILES),
        NEVER,
    )
    before = store(copy).versions("mine")
    try:
        done = run(copy, "-c", ASK_BUILD, *asked)
    finally:
        for name in ("torn", "odd", "stopped", "strange"):
            (copy / f"models/{name}.py").unlink()
    assert (0, "") == (done.returncode, done.stderr)
    assert before == store(copy).versions("mine")
    return dict(zip(asked, json.loads(done.stdout), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nothing", "there is no model 'nothing': models/ has mine"),
        ("mine --data absent.csv", "there is no data file absent.csv"),
        (WRONG, "row 1, column 'Age' (field 'age'): is 7, out of range"),
        (WRONG, "row 2, column 'Job' (field 'job'): is 'pirate'"),
        (WRONG, "column 'Price' of field 'price' is missing"),
        ("mine --data empty.csv", "empty.csv cannot be read as a table: No columns"),
        ("mine --data binary.csv", "binary.csv cannot be read as a table: 'utf-8' codec"),
        ("torn", "models/torn.py must define `definition = ModelDefinition(...)`"),
        ("odd", "field 'a': the example is 'x': give one of 'y'"),
        ("strange --data data/mine.csv", "training ends with LookupError: São is lost"),
        ("stopped --data data/mine.csv", "stopped from outside; nothing is promoted"),
        (NEVER, "nothing of torn is: promote its first version"),
    ],
)
def test_build_when_something_is_wrong_says_what_and_stores_nothing(
    refused: dict[str, Any], words: str, message: str
) -> None:
    status, said = refused[words]

    assert 1 == status
    assert message in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_command_when_something_is_wrong_exits_1(copy: Path) -> None:
    done = run(copy, "build_model.py", "nothing")

    assert (1, "build_model: there is no model 'nothing':") == (done.returncode, done.stderr[:41])


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("build_model.py", "mine", "--data", "data/São.csv"),
        ("test_model.py", "São"),
        ("-c", "import app; print('São')"),
    ],
    ids=lambda words: words[0],
)
def test_command_when_the_terminal_lacks_a_letter_escapes_it(
    copy: Path, words: tuple[str, ...]
) -> None:
    (copy / "data/São.csv").write_bytes(b"")

    done = run(copy, *words, PYTHONIOENCODING="ascii")

    assert "S\\xe3o" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_check_when_the_artefact_was_changed_exits_1(project: Path) -> None:
    version = store(project).promoted("mine")
    path = project / "artifacts/mine" / version / RUN_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\0\0")

    done = run(project, "test_model.py", "mine")
    path.write_bytes(whole)

    assert 1 == done.returncode
    assert "differs from the digest" in done.stdout
