"""Many rows are answered in slices, as they would be in one piece."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.runtime.onnx import open_session
from engine.runtime.parallel import BLOCK, LEAST_ROWS, in_slices, usable_cores
from engine.schema.record_schema import Coding
from engine.training.export.challenge import Challenge, joined
from engine.training.export.export import convert
from engine.training.table import read_table
from tests.support.estimators import CASES, FIELDS, Case, make_table
from tests.support.inputs import first_daily
from tests.support.trials import define

#: The kernels that treat the last rows of a block otherwise, and trees.
NAMES = (
    "GaussianNB",
    "LogisticRegression",
    "MLPClassifier",
    "RandomForestClassifier",
)


@pytest.mark.parametrize("cores", [1, 2, 3, 64])
@pytest.mark.parametrize("rows", [0, 1, LEAST_ROWS, 2 * LEAST_ROWS - 1, 2 * LEAST_ROWS, 1000, 4097])
def test_slices_when_joined_are_the_rows_in_order(rows: int, cores: int) -> None:
    matrix = np.arange(2.0 * rows).reshape(rows, 2)
    seen: list[Any] = []

    def double(part: Any) -> Any:
        seen.append(part)
        return part * 2

    answers = in_slices(double, matrix, cores=cores)

    assert (matrix * 2).tolist() == answers.tolist()
    assert max(1, min(cores, rows // LEAST_ROWS)) == len(seen)
    assert len(seen) == 1 or min(map(len, seen)) >= LEAST_ROWS
    assert all(part[0, 0] % (2 * BLOCK) == 0 for part in seen if len(part))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rows", first_daily(1001, 1000, 1027))
@pytest.mark.parametrize("case", [one for one in CASES if one.name in NAMES], ids=lambda c: c.name)
def test_slices_when_a_model_answers_them_change_no_bit(case: Case, rows: int) -> None:
    definition = define(case, case.targets[-1])
    X, y, _ = read_table(make_table(), definition.schema)
    pipeline = definition.build_pipeline().fit(X, y)
    challenge = Challenge(X.to_dict("list"), FIELDS, seed=0)
    asked = joined(challenge.real, challenge.turning_points()[0])
    matrix = Coding(FIELDS).pack(asked)[:rows]
    session = open_session(convert(pipeline, FIELDS))
    name = session.get_outputs()[-1].name

    def answer(part: Any) -> Any:
        return session.run([name], {"record": part})[0]

    sliced = in_slices(answer, matrix, cores=3)

    assert answer(matrix).tobytes() == sliced.tobytes()


@pytest.mark.parametrize(
    ("groups", "files", "most"),
    [
        ("0::/pod/box", {"cpu.max": "max 100000", "pod/cpu.max": "100000 100000"}, 1),
        ("0::/pod/box", {"pod/box/cpu.max": "50000 100000", "pod/cpu.max": "900000 100000"}, 1),
        ("0::/../..", {"cpu.max": "1 100000"}, 1),
        ("4:cpu,cpuacct:/box", {"cpu/box/cpu.cfs_quota_us": "100000",
                                "cpu/box/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu:/box", {"cpu/box/cpu.cfs_quota_us": "-1",
                        "cpu/box/cpu.cfs_period_us": "100000"}, None),
        ("4:memory:/box", {"cpu/box/cpu.cfs_quota_us": "1",
                           "cpu/box/cpu.cfs_period_us": "100000"}, None),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
    ],
)  # fmt: skip
def test_cores_when_a_control_group_allows_fewer_are_those(
    tmp_path: Path, groups: str, files: dict[str, str], most: int | None
) -> None:
    for name, text in {**{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
                       "proc/self/cgroup": groups}.items():  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    assert (most or usable_cores(tmp_path / "absent")) == usable_cores(tmp_path)


def test_slices_when_one_fails_raise_its_error() -> None:
    def refuse_the_last(part: Any) -> Any:
        if part[-1, 0] == 999:
            raise ValueError("the last row")
        return part

    rows = np.arange(1000.0).reshape(-1, 1)
    with pytest.raises(ValueError, match="the last row"):
        in_slices(refuse_the_last, rows, cores=2)


FORK = """
import os, sys
import numpy as np
from engine.runtime.parallel import in_slices
ask = lambda: in_slices(lambda part: part + 1, np.zeros((1000, 1)), cores=2).sum()
assert ask() == 1000
if (child := os.fork()) == 0:
    os._exit(0 if ask() == 1000 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_slices_when_the_process_has_forked_have_threads_of_their_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], timeout=60, check=False)

    assert 0 == done.returncode
