"""An odd table is read as what it says, or refused in a sentence: no column is silently wrong."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.training.infer.candidates import candidates
from engine.training.infer.draft import ModelDraft, draft_model
from engine.training.infer.model_file import model_text
from engine.training.infer.source import UnreadableTable
from engine.training.table import read_table
from tests.support.project import ROOT
from tests.training.infer import monsters
from tests.training.infer.test_model_file import definition_of


def read(folder: Path, name: str, content: bytes) -> tuple[ModelDraft, pd.DataFrame, pd.Series]:
    """Write a model file of a table; return the draft, and what the file reads."""
    path = folder / name
    path.write_bytes(content)
    draft = draft_model(str(path), "y", name="trial", sample=f"data/{name}")
    definition = definition_of(model_text(draft, candidates(draft)[0]))
    X, y, _ = read_table(definition.load_data(path), definition.schema)
    return draft, X, y


def check(draft: ModelDraft, X: pd.DataFrame, y: pd.Series, *, gaps: float = 0) -> None:
    """Check the columns against those of the plain table; such a share may be gaps."""
    table = monsters.plain()
    names = {field.header.strip(): field.name for field in draft.fields}
    assert table["y"].tolist() == y.tolist()
    assert {"amount", "count", "city", "member"} <= {*names}
    for name in ("amount", "count"):
        values = X[names[name]].to_numpy(float)
        is_gap = np.isnan(values)
        assert is_gap.mean() <= gaps
        np.testing.assert_allclose(values[~is_gap], table[name][~is_gap])
    is_filled = X[names["city"]] != "__missing__"
    cities = X[names["city"]][is_filled].str.replace("\n", "")
    assert table["city"][is_filled].tolist() == cities.tolist()


def some_slow(names: Iterable[str]) -> list[Any]:
    """Leave all but one in six to the slow tests."""
    slow = pytest.mark.slow
    return [pytest.param(each, marks=[slow] * (n % 6 > 0)) for n, each in enumerate(names)]


@pytest.mark.parametrize("odd", some_slow(monsters.texts()))
def test_text_when_it_is_odd_is_read_as_what_it_says(odd: str, tmp_path: Path) -> None:
    content = monsters.texts()[odd]
    content = content.encode() if isinstance(content, str) else content

    check(*read(tmp_path, "table.csv", content))


@pytest.mark.parametrize("odd", some_slow(monsters.others()))
def test_file_when_it_is_odd_is_read_as_what_it_says(odd: str, tmp_path: Path) -> None:
    gaps = 0.3 if odd in ("odd Parquet", "JSON lines without some keys") else 0

    check(*read(tmp_path, *monsters.others()[odd]), gaps=gaps)


@pytest.mark.parametrize("odd", monsters.hopeless())
def test_file_when_nothing_is_learnt_from_it_is_refused_in_a_sentence(
    odd: str, tmp_path: Path
) -> None:
    name, content, words = monsters.hopeless()[odd]

    with pytest.raises(UnreadableTable, match=words) as refusal:
        read(tmp_path, name, content)

    assert 1 == len(str(refusal.value).splitlines())


@pytest.mark.slow
def test_files_when_written_are_clean_under_ruff_and_mypy(tmp_path: Path) -> None:
    texts = {odd: ("table.csv", content) for odd, content in monsters.texts().items()}
    for number, (name, content) in enumerate({**texts, **monsters.others()}.values()):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        draft = draft_model(str(tmp_path / name), "y", name="trial", sample=f"data/{name}")
        listed = candidates(draft)
        text = model_text(draft, listed[number % len(listed)])
        (tmp_path / f"m{number}.py").write_text(text)

    for tool in ("ruff check --no-cache --config", "mypy --config-file"):
        command = [sys.executable, "-m", *tool.split(), "pyproject.toml"]
        command += [str(file) for file in tmp_path.glob("*.py")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert 0 == done.returncode, done.stdout
