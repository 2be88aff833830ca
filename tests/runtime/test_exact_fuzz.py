"""No damage to a file of the exact runtime makes the library read or write out of bounds.

``make fuzz`` tries many more damaged files than the tests do.
"""

import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from engine.preprocessing.date_parts import DateParts
from engine.runtime.exact_library import FOLDER, SOURCES
from engine.training.exact.translation import translate
from tests.runtime.exact_files import SIGMOIDS, SOFTMAX, File, Member
from tests.runtime.test_exact_check import SOUND, VECTORS
from tests.runtime.test_exact_plan import SHAPES, SLOTS, grow
from tests.training.exact.fitted import FIELDS, WORDS, fit, numbered, words_and

MUTATIONS = int(os.environ.get("FUZZ_MUTATIONS", "20000"))

FLAGS = [
    "-std=c11", "-O1", "-g", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror",
    "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all",
]  # fmt: skip

_SEED: dict[str, Any] = {"random_state": 0}


def _gaps(estimator: Any) -> Any:
    return make_pipeline(words_and("passthrough", numbered()), estimator)


def _scaled(scaler: Any, estimator: Any) -> Any:
    return make_pipeline(
        words_and(make_pipeline(SimpleImputer(add_indicator=True), scaler)), estimator
    )


#: Small, so that one mutation in a file matters; of all kinds of slots, members and nodes.
PIPELINES: dict[str, tuple[Any, str]] = {
    "vectors": (_gaps(RandomForestClassifier(3, max_depth=5, **_SEED)), "three"),
    "many": (_gaps(RandomForestClassifier(18, max_depth=3, **_SEED)), "two"),
    "boosting": (
        _scaled(StandardScaler(), GradientBoostingClassifier(n_estimators=4, **_SEED)), "three"
    ),
    "sets": (
        HistGradientBoostingClassifier(
            max_iter=4, max_depth=3, categorical_features=WORDS, **_SEED
        ),
        "two",
    ),
    "dates": (
        make_pipeline(
            ColumnTransformer([("size", DateParts(parts=("weekday", "hour")), ["size"])]),
            RandomForestClassifier(2, max_depth=3, **_SEED),
        ),
        "two",
    ),
    "terms": (_scaled(StandardScaler(), LogisticRegression()), "three"),
    "vote": (
        VotingRegressor([
            ("forest", _gaps(RandomForestRegressor(2, max_depth=4, **_SEED))),
            ("boosting", _gaps(HistGradientBoostingRegressor(max_iter=2, max_depth=3, **_SEED))),
            ("terms", _scaled(MinMaxScaler(), Ridge())),
        ]),
        "number",
    ),
}  # fmt: skip


@pytest.mark.slow
def test_damaged_file_is_refused_or_evaluated_within_its_bounds(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc is here: apt install gcc")
    program, files = tmp_path / "exact_fuzz", write_files(tmp_path)
    sources = [Path(__file__).with_name("exact_fuzz.c"), *(FOLDER / name for name in SOURCES)]
    command: list[str | Path] = ["gcc", *FLAGS, "-I", FOLDER, "-o", program, *sources, "-lm"]
    subprocess.run(command, check=True)

    start = time.perf_counter()
    done = subprocess.run(
        [program, "0", str(MUTATIONS), *files],
        capture_output=True, text=True, check=False, timeout=120 + MUTATIONS / 1000,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    print(f"{MUTATIONS:,} mutants, {time.perf_counter() - start:.0f} s: {done.stdout}")
    assert ", 0 plans" not in done.stdout
    refused = {rule for rule, count in re.findall(r"(\d+): (\d+)", done.stdout) if count != "0"}
    assert {str(rule) for rule in range(1, 20)} == refused


def write_files(folder: Path) -> list[Path]:
    """Write the files that are damaged."""
    contents = {name: translate(fit(*case), FIELDS) for name, case in PIPELINES.items()}
    contents |= {"by hand": SOUND.write(), "vectors by hand": VECTORS.write()}
    draw = random.Random(0)  # noqa: S311
    small = [grow(draw, 2 + place % 5, SHAPES["any"]) for place in range(17)]
    contents["planned"] = File(3, SLOTS, [Member(small)], values=[0.1]).write()
    for link in (SOFTMAX, SIGMOIDS):
        single = VECTORS.with_member(is_single=1, link=link)
        contents[f"single by hand {link}"] = single.write()
    for name, content in contents.items():
        folder.joinpath(name).write_bytes(content)
    return [folder / name for name in contents]
