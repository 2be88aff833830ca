"""What the targets make of what is typed behind them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.project import ROOT

#: Would end a quotation, run a program, and begin another word.
ODD = 'it\'s "a"; touch ran #&|`touch ran` \\ b'


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("target", "given", "words"),
    [
        ("new", ("name", "from", "target", "table", "minutes"), ["{}", *(
            f"--{word}={{}}" for word in ("from", "target", "table", "minutes"))]),
        ("import", ("name", "file", "data", "target", "trust", "promote", "version"), ["{}", *(
            f"--{word}={{}}" for word in (
                "import", "data", "target", "trust", "promote", "version"))]),
        ("model", ("name", "data", "promote", "version"), ["{}", *(
            f"--{word}={{}}" for word in ("data", "promote", "version"))]),
        ("retrain", ("model", "version", "data"), ["build_model.py", "{}", "--promote=if-better",
                                                   "--version={}", "--data={}"]),
        ("serve", ("model", "version"), ["deploy", "{}", "{}", ".served", "app.py"]),
        ("remove", ("name",), ["{}"]),
        ("check", ("name",), ["{}"]),
        ("score", ("model", "from", "to", "version", "rejected", "workers", "scheduler"),
         ["jobs.score", "{}", "{}", "{}", *(f"--{word}={{}}" for word in (
             "version", "rejected", "workers", "scheduler"))]),
        ("check-data", ("name", "data", "report", "rejected"), ["jobs.check", "{}", *(
            f"--{word}={{}}" for word in ("data", "report", "rejected"))]),
    ],
)  # fmt: skip
def test_word_when_it_is_odd_reaches_the_command_as_it_is(
    target: str, given: tuple[str, ...], words: list[str], tmp_path: Path
) -> None:
    command = [
        "make",
        "-s",
        "-f",
        str(ROOT / "makefile"),
        "-o",
        "deps",
        "python=/usr/bin/printf '%s\\n'",
    ]
    flags = [f"{flag}=no" for flag in ("yes", "versions", "overwrite", "restart")]

    done = subprocess.run(
        [*command, target, *flags, *(f"{word}={ODD}" for word in given)], check=True,
        cwd=tmp_path, capture_output=True, text=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip

    assert [word.format(ODD) for word in words] == done.stdout.splitlines()[-len(words) :]
    assert [] == [*tmp_path.iterdir()]
