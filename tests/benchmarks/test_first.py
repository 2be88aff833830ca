"""What is written for a first API is counted rightly, and the pages hold what was measured."""

from pathlib import Path

import pytest

from benchmarks import first, first_models
from benchmarks.first_models import Row


@pytest.mark.parametrize(
    ("program", "lines"),
    [
        ("", 0),
        ('"""What it\n\nis."""\n\nimport os\n\n# why\nprint(  # so\n    os\n)\n', 4),
        ('def f():\n    """Say."""\n    return """\n\ntext"""\n', 3),
    ],
)
def test_lines_are_those_that_a_person_writes(tmp_path: Path, program: str, lines: int) -> None:
    (tmp_path / "program.py").write_text(program)

    assert lines == first.lines_of(tmp_path / "program.py")


def test_every_program_is_one_of_a_tool() -> None:
    programs = {path.name for path in Path(first.__file__).parent.glob("first_api/*.py")}

    assert {"", *programs} == {tool.program for tool in first.TOOLS} | {"train.py", "__init__.py"}


def test_page_has_a_row_for_each_table() -> None:
    row = Row("iris", "150 x 4", "accuracy", 0.3, 0.95831, "LogisticRegression", 0.9, 12.3)

    page = first_models.page([row])

    assert (
        "| iris | 150 x 4 | accuracy | 0.3 | **0.9583** | LogisticRegression | 0.9 | 12 |\n" in page
    )
    assert "{" not in page


def test_tables_when_nothing_is_lent_are_those_of_everybody(tmp_path: Path) -> None:
    tables = [*first_models.tables(tmp_path, tmp_path / "nothing")]

    assert 6 == len(tables)
    for table in tables:
        if table.file.is_relative_to(tmp_path):
            assert table.target in table.file.read_text().partition("\n")[0].split(",")
